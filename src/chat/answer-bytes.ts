import { EventDecoder } from '../sse/event-decoder.ts';
import { LineDecoder } from '../sse/line-decoder.ts';
import type { StreamDecoder } from '../upstream/protocol/stream-decoder.ts';
import { TextFrames } from '../upstream/protocol/text-frames.ts';

const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/**
 * The bytes of one stream to its decoder:
 *
 *     bytes -> lines -> events -> decoder      what an event says
 *           '> rests -> rests  ->              of events that begin as the decoder expects
 *     '> texts ->                              of v1 frames that only add text
 *
 * Both methods throw what the decoder throws, or SseOverflow.
 */
export class AnswerBytes {
  readonly #decoder: StreamDecoder;
  readonly #events: EventDecoder;
  readonly #lines: LineDecoder;

  constructor(decoder: StreamDecoder) {
    const { beginning } = decoder;
    const events = new EventDecoder((event) => decoder.push(event), MAX_EVENT_BYTES, {
      beginning,
      onRest: (rest) => decoder.pushRest(rest),
    });
    const frames = new TextFrames((text) => decoder.pushText(text));
    this.#decoder = decoder;
    this.#events = events;
    this.#lines = new LineDecoder(
      (line) => events.pushLine(line),
      MAX_EVENT_BYTES,
      { beginning, onRest: (rest) => events.pushRest(rest) },
      (bytes, start) => (events.isBetweenEvents ? frames.take(bytes, start) : start),
    );
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** The bytes ended. */
  end(): void {
    this.#lines.end();
    this.#events.end();
    this.#decoder.end();
  }
}
