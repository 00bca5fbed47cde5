import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import { createByteQueue } from '../outbound/byte-queue.ts';
import type { ByteQueue } from '../outbound/byte-queue.ts';

/** A request's body on its way upstream, at upstream's pace. */
export interface Upload {
  readonly body: ByteQueue;
  /** The client is who keeps us waiting. */
  readonly isAwaited: boolean;
  /** Nobody wants the rest: what still comes is swallowed. Due before the answer ends. */
  discard(): void;
}

/** Null: there is no body. Must be called before the first await. `onMove`: some of it came. */
export function receiveUpload(reply: Reply, request: RequestSnapshot, onMove: () => void): Upload | null {
  const isChunked = request.header('transfer-encoding') !== undefined;
  if (!isChunked && Number(request.header('content-length') ?? 0) === 0) return null;
  let state: 'coming' | 'whole' | 'discarded' = 'coming';
  let isPaused = false;
  const body = createByteQueue({
    pause() {
      isPaused = true;
      reply.pauseBody();
    },
    resume() {
      isPaused = false;
      reply.resumeBody();
    },
  });
  reply.receive((chunk, isLast) => {
    if (state === 'discarded') return;
    onMove();
    // The native memory is taken back when this returns.
    body.push(Buffer.from(Buffer.from(chunk)));
    if (!isLast) return;
    state = 'whole';
    body.end();
  });
  return {
    body,
    get isAwaited() {
      return state === 'coming' && !isPaused;
    },
    discard() {
      if (state === 'coming') state = 'discarded';
      body.fail(new Error('nobody reads the body any more'));
      reply.resumeBody();
    },
  };
}
