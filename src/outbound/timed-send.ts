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
  return (exit, request, reader) => {
    if (request.body !== null && typeof request.body !== 'string') return send(exit, request, reader);
    const beganMs = nowMs();
    const onTimed = (): void => observe({ exit, origin: request.origin }, nowMs() - beganMs);
    return send(exit, request, new TimedReader(reader, onTimed));
  };
}

/** Tells of the head, and leaves the rest to the reader. */
class TimedReader implements ResponseReader {
  readonly #reader: ResponseReader;
  readonly #onSuccess: () => void;

  constructor(reader: ResponseReader, onSuccess: () => void) {
    this.#reader = reader;
    this.#onSuccess = onSuccess;
  }

  onHead(status: number, headers: ResponseHeaders): BodyReader {
    if (status >= 200 && status < 300) this.#onSuccess();
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
