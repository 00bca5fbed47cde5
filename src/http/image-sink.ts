import type { TurnSink } from '../chat/ports.ts';
import type { TurnEvent } from '../conversation/events.ts';

/** Takes a turn's first image that has a link, and nothing else. */
export class ImageSink implements TurnSink {
  /** Nothing leaves before all turns have ended. */
  readonly committed = false;
  #link: string | null = null;
  #sawImage = false;

  /** As the spine has it; null: none came. */
  get link(): string | null {
    return this.#link;
  }

  /** An image was drawn, be there a link to it or not. */
  get sawImage(): boolean {
    return this.#sawImage;
  }

  /** What the model says about its picture is of no interest: upstream can be closed. */
  get satisfied(): boolean {
    return this.#link !== null;
  }

  accepted(): void {}

  write(event: TurnEvent): boolean {
    if (event.type === 'image') {
      this.#sawImage = true;
      this.#link ??= event.link;
    }
    return true;
  }

  onDrain(): void {}
}
