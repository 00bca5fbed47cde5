/** Whether a server's hanging up is still taken to be about idle connections, and not about our requests. */
export interface Belief {
  holds(nowMs: number): boolean;
  /** A request that was sent once more on a new connection was answered. */
  confirm(): void;
  /** It was hung up on there as well. */
  refute(nowMs: number): void;
}

const MAX_REFUTATIONS = 10;
const DOUBT_MS = 30_000;

/** So that a server which fails under its requests is not asked everything twice for long. */
export function createBelief(): Belief {
  let refutations = 0;
  let refutedAtMs = 0;
  return {
    holds: (nowMs) => refutations < MAX_REFUTATIONS || nowMs - refutedAtMs >= DOUBT_MS,
    confirm() {
      refutations = 0;
    },
    refute(nowMs) {
      refutations = Math.min(refutations + 1, MAX_REFUTATIONS);
      refutedAtMs = nowMs;
    },
  };
}
