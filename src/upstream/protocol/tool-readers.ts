import type { AnswerFlow, Place } from './answer-flow.ts';
import { Growth } from './growth.ts';
import { imagesIn } from './images.ts';
import { isComplete, languageOf, textOf } from './message-kind.ts';
import type { MessageReader } from './reader.ts';
import type { WireMessage } from './wire.ts';

/** Code that a tool is given, or what it prints, with the images that came of it. */
export class BlockReader implements MessageReader {
  readonly #flow: AnswerFlow;
  readonly #kind: 'code' | 'output';
  readonly #growth = new Growth();

  constructor(flow: AnswerFlow, kind: 'code' | 'output') {
    this.#flow = flow;
    this.#kind = kind;
  }

  get taken(): number {
    return this.#growth.taken;
  }

  read(message: WireMessage, appended: string | null, place: Place): boolean {
    const isLast = isComplete(message);
    const delta = this.#growth.take(textOf(message), appended, isLast);
    if (delta !== '') {
      this.#flow.take(this, place);
      this.#flow.block(this.#kind, this.#kind === 'code' ? languageOf(message) : null, delta);
    }
    if (isLast) this.#finish(message, place);
    return delta !== '';
  }

  release(): void {}

  #finish(message: WireMessage, place: Place): void {
    const images = imagesIn(message);
    if (images.length > 0) this.#flow.take(this, place);
    this.#flow.endBlockOf(this);
    for (const pointer of images) this.#flow.image(pointer, place.conversationId);
  }
}

/** Images that a tool made, once they are done: until then there is only a sketch of them. */
export class PicturesReader implements MessageReader {
  readonly taken = 0;
  readonly #flow: AnswerFlow;

  constructor(flow: AnswerFlow) {
    this.#flow = flow;
  }

  read(message: WireMessage, _appended: string | null, place: Place): boolean {
    const images = isComplete(message) ? imagesIn(message) : [];
    for (const pointer of images) {
      this.#flow.take(this, place);
      this.#flow.image(pointer, place.conversationId);
    }
    return images.length > 0;
  }

  release(): void {}
}
