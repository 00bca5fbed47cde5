import type { ExpectedAnswer } from './expected-answer.ts';
import type { Dialect } from './protocol.ts';

/** What stands before the text of an event. */
const MARK: Readonly<Record<Dialect, string>> = { openai: '"content":', v1: '"v":', legacy: '"parts":[' };
const DONE = '[DONE]';

/** The events of the dialects, as far as their text and end are concerned. */
interface Event {
  readonly error?: unknown;
  readonly choices?: readonly { delta?: { content?: string | null }; finish_reason?: string | null }[];
  readonly v?: unknown;
  readonly message?: { content?: { parts?: readonly string[] }; status?: string };
}

/** Reads one stream of server-sent events and holds it against the answer that it should carry. */
export class AnswerCheck {
  /** Deltas of the upstream whose text has come. */
  deltas = 0;
  readonly #expected: ExpectedAnswer;
  readonly #dialect: Dialect;
  #rest = '';
  #length = 0;
  #finishes = 0;
  #dones = 0;
  #wrong: string | null = null;

  constructor(expected: ExpectedAnswer, dialect: Dialect) {
    this.#expected = expected;
    this.#dialect = dialect;
  }

  /** Bytes of the body as a latin1 string. */
  push(bytes: string): void {
    const text = this.#rest === '' ? bytes : this.#rest + bytes;
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      if (text.startsWith('data:', at)) this.#take(text, at, end);
      at = end + 1;
    }
    this.#rest = at === text.length ? '' : text.slice(at);
  }

  /** What is wrong with what has come so far, or null. */
  get wrong(): string | null {
    return this.#wrong;
  }

  /** What is wrong with the stream that has ended, or null. */
  verdict(): string | null {
    if (this.#wrong !== null) return this.#wrong;
    if (this.#length !== this.#expected.text.length) return 'text is missing';
    if (this.#finishes !== 1) return `${this.#finishes} finishes`;
    return this.#dones === 1 ? null : `${this.#dones} times [DONE]`;
  }

  #take(text: string, at: number, end: number): void {
    if (this.#dones > 0) this.#wrong ??= 'something follows [DONE]';
    // The last delta may come with the finish: it is read in full.
    const isLast = this.deltas + 1 >= this.#expected.deltas;
    if (!isLast && this.#isNextDelta(text, at, end)) {
      this.deltas += 1;
      this.#length = this.#expected.lengthAt(this.deltas);
    } else
      this.#read(
        Buffer.from(text.slice(at + 'data:'.length, end), 'latin1')
          .toString()
          .trim(),
      );
  }

  #isNextDelta(text: string, at: number, end: number): boolean {
    const mark = MARK[this.#dialect];
    const value = text.indexOf(mark, at);
    if (value < 0 || value >= end || this.#length !== this.#expected.lengthAt(this.deltas)) return false;
    return this.#expected.isNext(this.#dialect, text, value + mark.length, this.deltas);
  }

  /** Whatever is not plainly the next delta. */
  #read(data: string): void {
    if (data === DONE) {
      this.#dones += 1;
      return;
    }
    try {
      this.#readEvent(JSON.parse(data) as Event);
    } catch {
      this.#wrong ??= `no JSON: ${data.slice(0, 80)}`;
    }
  }

  #readEvent(event: Event): void {
    if (event.error) this.#wrong ??= `an error: ${JSON.stringify(event.error).slice(0, 200)}`;
    if (this.#dialect === 'legacy') {
      const whole = event.message?.content?.parts?.[0];
      if (whole !== undefined)
        this.#grow(whole.startsWith(this.#soFar()) ? whole.slice(this.#length) : whole);
      if (event.message?.status === 'finished_successfully') this.#finishes += 1;
    } else if (this.#dialect === 'v1') {
      if (typeof event.v === 'string') this.#grow(event.v);
      else if (JSON.stringify(event.v ?? '').includes('"finished_successfully"')) this.#finishes += 1;
    } else {
      const choice = event.choices?.[0];
      if (choice?.delta?.content) this.#grow(choice.delta.content);
      if (choice?.finish_reason) this.#finishes += 1;
    }
  }

  #soFar(): string {
    return this.#expected.text.slice(0, this.#length);
  }

  #grow(text: string): void {
    if (!this.#expected.text.startsWith(text, this.#length)) this.#wrong ??= 'the text is another';
    this.#length += text.length;
    this.deltas = this.#expected.deltasAt(Math.min(this.#length, this.#expected.text.length));
  }
}
