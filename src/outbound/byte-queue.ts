/** What a sender is told to keep the queue short, in turns. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** Bytes from one who pushes to one who pulls, once, in order. */
export interface ByteQueue extends AsyncIterableIterator<Uint8Array> {
  push(chunk: Uint8Array): void;
  end(): void;
  /** What is not read yet is dropped, and reading rejects with `reason`. The first ending counts. */
  fail(reason: unknown): void;
}

interface Reader {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(reason: unknown): void;
}

const FULL_BYTES = 256 * 1024;

/** Pauses its flow while it holds 256 KiB or more. */
export function createByteQueue(flow: Flow): ByteQueue {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let isFull = false;
  let reader: Reader | null = null;
  let ending: 'none' | 'ended' | 'failed' = 'none';
  let failure: unknown;

  function take(): IteratorResult<Uint8Array> | null {
    const value = chunks.shift();
    if (value === undefined) return ending === 'ended' ? { done: true, value: undefined } : null;
    bytes -= value.length;
    if (isFull && bytes < FULL_BYTES) {
      isFull = false;
      flow.resume();
    }
    return { done: false, value };
  }

  function serve(): void {
    const result = reader === null ? null : take();
    if (result === null) return;
    reader?.resolve(result);
    reader = null;
  }

  return {
    push(chunk) {
      if (ending !== 'none' || chunk.length === 0) return;
      chunks.push(chunk);
      bytes += chunk.length;
      if (!isFull && bytes >= FULL_BYTES) {
        isFull = true;
        flow.pause();
      }
      serve();
    },
    end() {
      if (ending === 'none') ending = 'ended';
      serve();
    },
    fail(reason) {
      if (ending === 'failed' || (ending === 'ended' && chunks.length === 0)) return;
      ending = 'failed';
      failure = reason;
      chunks.length = 0;
      reader?.reject(reason);
      reader = null;
    },
    next() {
      if (ending === 'failed') return Promise.reject(failure as Error);
      const result = take();
      if (result !== null) return Promise.resolve(result);
      return new Promise((resolve, reject) => (reader = { resolve, reject }));
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
