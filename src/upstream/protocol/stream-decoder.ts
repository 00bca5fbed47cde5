import { ChatError } from '../../errors.ts';
import type { DecodedEvent, PendingDrawing } from '../../conversation/events.ts';
import { Beginning } from '../../sse/beginning.ts';
import type { SseEvent } from '../../sse/event-decoder.ts';
import { AnswerReader } from './answer-reader.ts';
import { DeltaDocuments } from './delta-documents.ts';
import { toStreamRefusal } from './refusal.ts';
import { RepeatedMessage } from './repeated-message.ts';
import type { WireControl, WireDelta, WireEnvelope } from './wire.ts';

const TERMINATOR = '[DONE]';
/** UTF-16 units of v1 frames that one stream may bring: far beyond the longest answer. */
const MAX_RETAINED = 64 * 1024 * 1024;

/**
 * The events of upstream's stream, or streams, to the events of a turn. Each event says by its shape which
 * encoding it speaks: whole messages (legacy), patches of messages (v1), or something beside them.
 */
export class StreamDecoder {
  /** What the stream's next event is expected to repeat; such events may come by `pushRest`. */
  readonly beginning = new Beginning();
  readonly #answer: AnswerReader;
  /** Made for the first whole message: a v1 stream has none. */
  #repeated: RepeatedMessage | null = null;
  #documents = this.#newDocuments();
  #finished = false;
  #retained = 0;

  /** `askedIds`: ids of the messages that were sent, whose echo is not part of the answer. */
  constructor(emit: (event: DecodedEvent) => void, askedIds: ReadonlySet<string>) {
    this.#answer = new AnswerReader(emit, askedIds);
  }

  /** True after turn-end was emitted: what follows is not looked at. */
  get finished(): boolean {
    return this.#finished;
  }

  /** True once upstream marked the answer as complete, though the stream is still open. */
  get complete(): boolean {
    return this.#finished || this.#answer.endReason !== null;
  }

  /** True once the answer holds something to show; thoughts alone are no answer. */
  get hasContent(): boolean {
    return this.#answer.hasContent;
  }

  /** A picture that will not come by this stream: whoever wants it has to look for it later. */
  get pending(): PendingDrawing | null {
    return this.#answer.pending;
  }

  /** Another stream goes on with the answer that this one finished. */
  goOn(): void {
    this.#finished = false;
    this.#retained = 0;
    this.beginning.forget();
    this.#documents = this.#newDocuments();
    this.#answer.goOn();
  }

  /** Throws a ChatError for an error event or an event that cannot be read. */
  push(event: SseEvent): void {
    if (this.#finished) return;
    if (event.data === TERMINATOR) {
      this.#finish();
      return;
    }
    for (const value of parse(event.data)) {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || this.#finished) continue;
      this.#countRetained(event.data.length, value);
      this.#pushObject(value, event.data);
    }
  }

  /** As `push`, of a frame `{"v":"text"}`. False: it has to be pushed whole. */
  pushText(text: string): boolean {
    const document = this.#finished ? null : this.#documents.append(text);
    if (document === null) return false;
    this.#count(text.length);
    if (!this.#answer.grow(document, text)) this.#readDocument(document, text);
    return true;
  }

  /** As `push`, of an event that begins as expected, with the rest of its data. */
  pushRest(rest: string): void {
    if (this.#finished) return;
    const repeated = this.#repeated?.goOn(rest) ?? null;
    if (repeated === null) return this.push({ name: '', data: this.beginning.text + rest });
    const { envelope, appended, isTextOnly } = repeated;
    if (isTextOnly && this.#answer.grow(envelope, appended)) return;
    if (isProblem(envelope.error)) throw refusalOf(envelope);
    // What else changed may be why the event before was not read: all of the text counts.
    this.#answer.read(envelope, null);
  }

  /** The bytes ended. Throws upstream_protocol_error unless the answer is complete, or a picture still pending. */
  end(): void {
    if (this.#finished) return;
    if (this.#answer.endReason === null && this.pending === null) {
      throw new ChatError(
        'upstream_protocol_error',
        'Upstream cut the answer off before it was complete. Ask again.',
      );
    }
    this.#finish();
  }

  #newDocuments(): DeltaDocuments {
    return new DeltaDocuments((document) => this.#answer.takenOf(document));
  }

  /** Patches add up in memory, so what they may bring is capped; whole messages replace each other. */
  #countRetained(length: number, value: object): void {
    if ('v' in value) this.#count(length);
  }

  #count(length: number): void {
    this.#retained += length;
    if (this.#retained > MAX_RETAINED) {
      throw new ChatError('upstream_protocol_error', 'Upstream sent more than a chat can hold.');
    }
  }

  #pushObject(value: WireEnvelope & WireControl & WireDelta, data: string): void {
    if (isProblem(value.error)) throw refusalOf(value);
    if ('v' in value) this.#pushDelta(value);
    else if ('message' in value) {
      this.#answer.read(value, null);
      this.#repeated ??= new RepeatedMessage(this.beginning);
      this.#repeated.learn(data, value);
    } else this.#pushControl(value);
  }

  #pushDelta(frame: WireDelta): void {
    const change = this.#documents.apply(frame);
    if (change !== null) this.#readDocument(change.document, change.appended);
  }

  #readDocument(document: WireEnvelope, appended: string | null): void {
    if (isProblem(document.error)) throw refusalOf(document);
    this.#answer.read(document, appended);
  }

  #pushControl(control: WireControl): void {
    if (typeof control.detail === 'string') throw toStreamRefusal(control.detail);
    if (control.moderation_response?.blocked === true) {
      this.#answer.block();
      this.#finish();
    }
  }

  #finish(): void {
    const isEmpty = !this.hasContent && this.pending === null;
    if (isEmpty && this.#answer.endReason !== 'content_filter') {
      throw new ChatError(
        'upstream_protocol_error',
        'Upstream ended the stream without an answer. Ask again.',
      );
    }
    this.#finished = true;
    this.#answer.finish();
  }
}

/** One value, or one a line: some relays drop the blank line between events. */
function parse(data: string): unknown[] {
  try {
    return [JSON.parse(data)];
  } catch (cause) {
    const lines = data.split('\n');
    if (lines.length > 1) return lines.filter((line) => line !== TERMINATOR).flatMap(parse);
    throw new ChatError('upstream_protocol_error', 'Upstream sent an event that cannot be read.', { cause });
  }
}

function isProblem(error: unknown): boolean {
  return error !== undefined && error !== null && error !== false && error !== '';
}

/** The error may be a text, or an object with a message and a code. */
function refusalOf(envelope: WireEnvelope): ChatError {
  const { error, error_code: code } = envelope;
  if (typeof error === 'object' && error !== null) {
    const detail = error as { message?: unknown; code?: unknown };
    return toStreamRefusal(textOf(detail.message) ?? '', textOf(detail.code ?? code));
  }
  return toStreamRefusal(typeof error === 'string' ? error : '', textOf(code));
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
