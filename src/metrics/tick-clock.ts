/**
 * Milliseconds that stand still within one turn of the event loop: all who ask in the same turn share one
 * reading (some 130 ns here), and with many streams that is nearly everybody. Late by no more than the turn is long.
 */
export function createTickClock(readMs: () => number = () => performance.now()): () => number {
  let nowMs = 0;
  let isRead = false;
  const forget = (): void => {
    isRead = false;
  };
  return () => {
    if (isRead) return nowMs;
    isRead = true;
    nowMs = readMs();
    setImmediate(forget);
    return nowMs;
  };
}
