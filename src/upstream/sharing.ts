import { orAborted } from '../or-aborted.ts';

/** A fetch that several callers wait for; it ends with the last of them. */
interface SharedFetch<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  waiters: number;
}

/** What is asked for under one key at the same time is fetched once. Rejects as the fetch does, or with the signal's reason at once. */
export type Share<T> = (
  key: string,
  fetch: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

export function createSharing<T>(): Share<T> {
  const fetches = new Map<string, SharedFetch<T>>();

  function join(key: string, fetch: (signal: AbortSignal) => Promise<T>): SharedFetch<T> {
    const known = fetches.get(key);
    if (known !== undefined) return known;
    const stop = new AbortController();
    const shared: SharedFetch<T> = { result: fetch(stop.signal), stop, waiters: 0 };
    fetches.set(key, shared);
    const onEnd = (): void => forget(key, shared);
    shared.result.then(onEnd, onEnd);
    return shared;
  }

  function forget(key: string, shared: SharedFetch<T>): void {
    if (fetches.get(key) === shared) fetches.delete(key);
  }

  return async (key, fetch, signal) => {
    signal.throwIfAborted();
    const shared = join(key, fetch);
    shared.waiters += 1;
    try {
      return await orAborted(shared.result, signal);
    } finally {
      shared.waiters -= 1;
      if (shared.waiters === 0) {
        forget(key, shared);
        shared.stop.abort();
      }
    }
  };
}
