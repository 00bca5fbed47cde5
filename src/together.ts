/** Runs both; when one fails, or the signal fires, the other is told to stop. */
export async function together<T, U>(
  signal: AbortSignal,
  start: (either: AbortSignal) => [Promise<T>, Promise<U>],
): Promise<[T, U]> {
  const either = new AbortController();
  const onAbort = (): void => either.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.all(start(either.signal));
  } finally {
    signal.removeEventListener('abort', onAbort);
    either.abort();
  }
}
