import type { Citation } from '../../conversation/events.ts';
import type { AnswerFlow, Place } from './answer-flow.ts';
import { Growth } from './growth.ts';
import { imagesIn } from './images.ts';
import { MarkerFilter } from './marker-filter.ts';
import type { MarkerOutput } from './marker-filter.ts';
import { isComplete, textOf } from './message-kind.ts';
import type { MessageReader } from './reader.ts';
import { replacementOf } from './sources.ts';
import type { Marker, Replacement } from './sources.ts';
import type { WireMessage, WireMetadata } from './wire.ts';

/** A message for the user: its text, with sources and files where upstream's markers stood, its images. */
export class AnswerText implements MessageReader, MarkerOutput {
  readonly #flow: AnswerFlow;
  readonly #growth = new Growth();
  readonly #markers = new MarkerFilter(this);
  #metadata: WireMetadata | undefined;
  #place: Place | null = null;

  constructor(flow: AnswerFlow) {
    this.#flow = flow;
  }

  get taken(): number {
    return this.#growth.taken;
  }

  read(message: WireMessage, appended: string | null, place: Place): boolean {
    const isLast = isComplete(message);
    this.#metadata = message.metadata;
    this.#place = place;
    const delta = this.#growth.take(textOf(message), appended, isLast);
    if (delta === '') {
      this.#markers.retry();
    } else {
      this.#flow.take(this, place);
      this.#markers.push(delta);
    }
    if (isLast) this.#finish(message, place);
    return delta !== '';
  }

  release(): void {
    this.#markers.release();
  }

  text(text: string): void {
    this.#flow.text(text);
  }

  citation(links: Citation['links']): void {
    this.#flow.citation(links);
  }

  file(path: string): void {
    const { messageId = null, conversationId = null } = this.#place ?? {};
    this.#flow.file(path, { kind: 'sandbox', path, messageId: messageId ?? '', conversationId });
  }

  replacementOf(marker: Marker): Replacement | null {
    return replacementOf(marker, this.#metadata);
  }

  #finish(message: WireMessage, place: Place): void {
    this.#markers.release();
    for (const pointer of imagesIn(message)) {
      this.#flow.take(this, place);
      this.#flow.image(pointer, place.conversationId);
    }
  }
}
