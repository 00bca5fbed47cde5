import type { AnswerFlow, Place } from './answer-flow.ts';
import { Growth } from './growth.ts';
import { isRecord, itemsOf, textOr } from './loose.ts';
import { MarkerFilter } from './marker-filter.ts';
import { isComplete, textOf } from './message-kind.ts';
import type { MessageReader } from './reader.ts';
import type { WireMessage } from './wire.ts';

const MAX_THOUGHTS = 1000;
const MAX_CALL_LENGTH = 4000;

/** A text that grows, and a word at its end: `Thought for 4 seconds`. */
export class ThinkingReader implements MessageReader {
  readonly #flow: AnswerFlow;
  readonly #textOf: (message: WireMessage) => string;
  readonly #growth = new Growth();
  readonly #markers: MarkerFilter;
  #hasText = false;
  #isDone = false;

  constructor(flow: AnswerFlow, readText: (message: WireMessage) => string = textOf) {
    this.#flow = flow;
    this.#textOf = readText;
    this.#markers = markersOf(flow);
  }

  get taken(): number {
    return this.#growth.taken;
  }

  read(message: WireMessage, appended: string | null, place: Place): boolean {
    const isLast = isComplete(message);
    const delta = this.#growth.take(this.#textOf(message), appended, isLast);
    this.#say(delta, place);
    if (isLast && !this.#isDone) this.#finish(message, place);
    return delta !== '';
  }

  release(): void {
    this.#markers.release();
  }

  #finish(message: WireMessage, place: Place): void {
    this.#isDone = true;
    this.#markers.release();
    const last = textOr(message.metadata?.finished_text, '');
    this.#say(last !== '' && this.#hasText ? `\n\n${last}` : last, place);
  }

  #say(text: string, place: Place): void {
    if (text === '') return;
    this.#hasText = true;
    this.#flow.take(this, place);
    this.#markers.push(text);
  }
}

/** `Thought for 5 seconds`, in a message of its own. */
export function recapOf({ content }: WireMessage): string {
  return textOr(content?.content, '');
}

/** A list of thoughts, each a headline and a text; the last of them grows. */
export class ThoughtsReader implements MessageReader {
  readonly taken = 0;
  readonly #flow: AnswerFlow;
  readonly #markers: MarkerFilter;
  /** The thought that grows. */
  #at = 0;
  #summary = new Growth();
  #content = new Growth();
  /** What separates the next text from the one before. */
  #gap = '';
  #said: 'nothing' | 'summary' | 'content' = 'nothing';

  constructor(flow: AnswerFlow) {
    this.#flow = flow;
    this.#markers = markersOf(flow);
  }

  read(message: WireMessage, _appended: string | null, place: Place): boolean {
    const thoughts = itemsOf(message.content?.thoughts, MAX_THOUGHTS);
    const isLast = isComplete(message);
    let text = '';
    for (; this.#at < thoughts.length; this.#next()) {
      const isGrowing = this.#at === thoughts.length - 1;
      text += this.#newOf(thoughts[this.#at], isLast || !isGrowing);
      if (isGrowing) break;
    }
    if (text !== '') {
      this.#flow.take(this, place);
      this.#markers.push(text);
    }
    if (isLast) this.#markers.release();
    return text !== '';
  }

  release(): void {
    this.#markers.release();
  }

  #newOf(thought: unknown, isLast: boolean): string {
    if (!isRecord(thought)) return '';
    const content = textOr(thought['content'], '');
    const summary = textOr(thought['summary'], '');
    let text = '';
    if (this.#said !== 'content') {
      text = this.#say(this.#summary.take(summary, null, isLast || content !== ''), 'summary');
    }
    return text + this.#say(this.#content.take(content, null, isLast), 'content');
  }

  #say(text: string, what: 'summary' | 'content'): string {
    if (text === '') return '';
    const gap = this.#said === 'summary' && what === 'content' ? '\n' : this.#gap;
    this.#said = what;
    this.#gap = '';
    return gap + text;
  }

  #next(): void {
    this.#at += 1;
    this.#summary = new Growth();
    this.#content = new Growth();
    if (this.#said !== 'nothing') this.#gap = '\n\n';
    this.#said = 'nothing';
  }
}

/** A call of a tool that browses or draws, in one line once it is complete. */
export class CallReader implements MessageReader {
  readonly taken = 0;
  readonly #flow: AnswerFlow;
  readonly #toLine: (call: string) => string;
  #isDone = false;

  constructor(flow: AnswerFlow, toLine: (call: string) => string) {
    this.#flow = flow;
    this.#toLine = toLine;
  }

  read(message: WireMessage, _appended: string | null, place: Place): boolean {
    if (this.#isDone || !isComplete(message)) return false;
    this.#isDone = true;
    const line = this.#toLine(textOf(message)).trim().slice(0, MAX_CALL_LENGTH);
    if (line === '') return false;
    this.#flow.take(this, place);
    this.#flow.reasoning(line);
    return true;
  }

  release(): void {}
}

/** What is to be drawn: the call is JSON with a prompt. */
export function promptOf(call: string): string {
  try {
    const fields: unknown = JSON.parse(call);
    return isRecord(fields) ? textOr(fields['prompt'], '') : '';
  } catch {
    return '';
  }
}

/** Thoughts show no sources: upstream's markers are taken out of them and nothing put in. */
function markersOf(flow: AnswerFlow): MarkerFilter {
  const out = {
    text: (text: string): void => flow.reasoning(text),
    citation: (): void => {},
    file: (path: string): void => flow.reasoning(`sandbox:${path}`),
    replacementOf: () => ({ links: [] }),
  };
  return new MarkerFilter(out);
}
