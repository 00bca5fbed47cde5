import type { Exits } from './exits.ts';
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
    return send(exit, request, {
      onHead(status, headers) {
        if (status >= 200 && status < 300) observe({ exit, origin: request.origin }, nowMs() - beganMs);
        return reader.onHead(status, headers) ?? reader;
      },
      onBytes: (chunk) => reader.onBytes(chunk),
      onEnd: () => reader.onEnd(),
      onFailure: (error) => reader.onFailure(error),
    });
  };
}
