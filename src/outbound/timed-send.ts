import type { ChatError } from '../errors.ts';
import type { Exits } from './exits.ts';
import type { BodyReader, ResponseHeaders, ResponseReader } from './send.ts';
import type { Way } from './way.ts';

type Send = Exits['send'];

/**
 * The same `send`, which tells how long each head of a successful answer took. Not of uploads: theirs
 * take as long as the file is large.
 */
export function timedSend(
  send: Send,
  observe: (way: Way, latencyMs: number) => void,
  nowMs: () => number,
): Send {
  const clock = { observe, nowMs };
  return (exit, request, reader) => {
    if (request.body !== null && typeof request.body !== 'string') return send(exit, request, reader);
    return send(exit, request, new TimedReader(reader, { exit, origin: request.origin }, clock));
  };
}

interface Clock {
  readonly observe: (way: Way, latencyMs: number) => void;
  readonly nowMs: () => number;
}

/** Tells of the head, and leaves the rest to the reader. */
class TimedReader implements ResponseReader {
  readonly #reader: ResponseReader;
  readonly #way: Way;
  readonly #clock: Clock;
  readonly #beganMs: number;

  constructor(reader: ResponseReader, way: Way, clock: Clock) {
    this.#reader = reader;
    this.#way = way;
    this.#clock = clock;
    this.#beganMs = clock.nowMs();
  }

  onHead(status: number, headers: ResponseHeaders): BodyReader {
    const { observe, nowMs } = this.#clock;
    if (status >= 200 && status < 300) observe(this.#way, nowMs() - this.#beganMs);
    return this.#reader.onHead(status, headers) ?? this.#reader;
  }

  onBytes(chunk: Buffer): void {
    this.#reader.onBytes(chunk);
  }

  onEnd(): void {
    this.#reader.onEnd();
  }

  onFailure(error: ChatError): void {
    this.#reader.onFailure(error);
  }
}
