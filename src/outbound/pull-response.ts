import type { ChatError } from '../errors.ts';
import { createByteQueue } from './byte-queue.ts';
import type { ByteQueue } from './byte-queue.ts';
import type { Dial } from './dial.ts';
import type { Patience } from './patience.ts';
import { createRoute } from './route.ts';
import { sendThrough } from './send.ts';
import type { ResponseHeaders } from './send.ts';

export interface PulledResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** The body, at its reader's pace. */
  readonly chunks: ByteQueue;
  /** Ends the connection. Idempotent, and due in any case. */
  close(): void;
}

export interface PullOptions {
  readonly dial: Dial;
  readonly headers: Readonly<Record<string, string>>;
  /** Runs while the server is waited for, and rests while the body's reader is. */
  readonly patience: Patience;
  readonly maxBytes: number;
  readonly tooLarge: () => ChatError;
  readonly toFailure: (error: ChatError) => ChatError;
}

/**
 * A GET on a connection of its own: what users name is rarely named twice. Resolves with the head; what
 * fails later, or when `signal` fires, fails the body.
 */
export function pullResponse(url: URL, options: PullOptions, signal: AbortSignal): Promise<PulledResponse> {
  const { patience, maxBytes, tooLarge, toFailure } = options;
  const route = createRoute(url.origin, options.dial);
  patience.resume();
  return new Promise((resolve, reject) => {
    let received = 0;
    const close = (): void => {
      signal.removeEventListener('abort', onAbort);
      control.abort();
      void route.destroy();
    };
    const fail = (reason: unknown): void => {
      close();
      reject(reason as Error);
      chunks.fail(reason);
    };
    const onAbort = (): void => fail(signal.reason);
    const request = {
      origin: url.origin,
      method: 'GET',
      path: url.pathname + url.search,
      headers: options.headers,
      body: null,
    } as const;
    const reader = {
      onHead: (status: number, headers: ResponseHeaders) => resolve({ status, headers, chunks, close }),
      onBytes(chunk: Buffer) {
        received += chunk.length;
        if (received > maxBytes) fail(tooLarge());
        else chunks.push(chunk);
      },
      onEnd() {
        patience.pause();
        chunks.end();
      },
      onFailure: (error: ChatError) => fail(toFailure(error)),
    };
    const control = sendThrough(route, request, reader, null);
    const chunks = createByteQueue({
      pause() {
        control.pause();
        patience.pause();
      },
      resume() {
        control.resume();
        patience.resume();
      },
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
