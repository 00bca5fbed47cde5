import type { PendingDrawing, TurnEnd, TurnEvent } from '../conversation/events.ts';
import { StreamDecoder } from '../upstream/protocol/stream-decoder.ts';
import type { Ask, TurnSink } from './ports.ts';

/** Further streams that one answer may take. */
const MAX_CONTINUATIONS = 3;

type Decoded = ConstructorParameters<typeof StreamDecoder>[0];

/** Called for each message of the answer, in its order, as it begins. */
export type OnPlace = (conversationId: string, messageId: string | null) => void;

/**
 * One answer over all the streams that bring it. Upstream has a length limit of its own; an answer
 * that it cut is asked on, and the sink must not notice: the decoder remembers what was sent, and the
 * end that was none is held back until it is known whether there is more.
 */
export class Answer implements TurnSink {
  /** Ids of messages that were sent, whose echo is not part of the answer. */
  readonly askedIds = new Set<string>();
  readonly decoder = new StreamDecoder((event) => this.#listener(event), this.askedIds);
  readonly #sink: TurnSink;
  readonly #onPlace: OnPlace;
  #listener: Decoded = () => {};
  #conversationId: string | null = null;
  #messageId: string | null = null;
  #heldEnd: TurnEnd | null = null;
  /** The end of a stream that left a picture to come. */
  #postponedEnd: TurnEnd | null = null;
  #hasOpened = false;
  #hasText = false;
  #hasStrayed = false;
  #continuations = 0;

  constructor(sink: TurnSink, onPlace: OnPlace) {
    this.#sink = sink;
    this.#onPlace = onPlace;
  }

  get committed(): boolean {
    return this.#sink.committed;
  }

  /** Also when upstream, asked to go on, began another answer: nobody wants to read two. */
  get satisfied(): boolean {
    return this.#sink.satisfied || this.#hasStrayed;
  }

  /** After a stream's end: the picture that is still to come, if anybody wants it. */
  get pending(): PendingDrawing | null {
    return this.#postponedEnd === null || this.satisfied ? null : this.decoder.pending;
  }

  /** From now on the decoder's events go to `listener`: each stream has its own. */
  listen(listener: Decoded): void {
    this.#listener = listener;
  }

  /** Upstream has begun to answer. */
  get hasOpened(): boolean {
    return this.#hasOpened;
  }

  /** The stream at hand is an answer, not a refusal. */
  opened(): void {
    this.#hasOpened = true;
  }

  accepted(): void {
    this.#sink.accepted();
  }

  write(event: TurnEvent): boolean {
    if (event.type !== 'turn-start' && event.type !== 'message-start') this.#hasText = true;
    // What upstream goes on with is the message that it cut.
    if (event.type === 'message-start' && this.#heldEnd !== null && !this.#hasText) {
      this.#hasStrayed = true;
      return true;
    }
    if (event.type === 'turn-start' || event.type === 'message-start') {
      this.#conversationId = event.conversationId;
      this.#messageId = event.messageId;
      if (event.conversationId !== null) this.#onPlace(event.conversationId, event.messageId);
    }
    if (event.type === 'turn-end' && this.#postponedEnd === null && this.decoder.pending !== null) {
      this.#postponedEnd = event;
      return true;
    }
    if (event.type === 'turn-end' && event.reason === 'length' && this.#place() !== null) {
      this.#heldEnd = event;
      return true;
    }
    if (event.type === 'turn-end') this.#heldEnd = null;
    return this.#sink.write(event);
  }

  onDrain(listener: () => void): void {
    this.#sink.onDrain(listener);
  }

  /** The picture came, or never will: the end that waited for it. */
  endDrawing(): void {
    if (this.#postponedEnd !== null) this.write(this.#postponedEnd);
    this.#postponedEnd = null;
  }

  /** After a stream's end: what to ask for next, or null when the answer is complete. */
  goOn(): Ask['continued'] {
    if (this.#heldEnd === null || this.#sink.satisfied) return null;
    if (this.#hasStrayed) {
      this.#sink.write(this.#heldEnd);
      return null;
    }
    const place = this.#place();
    this.#continuations += 1;
    this.#hasOpened = false;
    this.#hasText = false;
    this.decoder.goOn();
    return place;
  }

  /**
   * Upstream did not even begin to go on: then the answer ends where it was cut, and says so. False:
   * there is nothing to end in that way.
   */
  settle(): boolean {
    if (this.#heldEnd === null || this.#hasOpened) return false;
    this.#sink.write(this.#heldEnd);
    return true;
  }

  #place(): Ask['continued'] {
    if (this.#continuations >= MAX_CONTINUATIONS) return null;
    const [conversationId, messageId] = [this.#conversationId, this.#messageId];
    return conversationId === null || messageId === null ? null : { conversationId, messageId };
  }
}
