/** A time limit that runs only while somebody is waited for. All methods idempotent. */
export interface Patience {
  pause(): void;
  resume(): void;
  /** For good. */
  stop(): void;
}

/** Starts running. `nowMs` may start anywhere and never goes back. */
export function createPatience(
  totalMs: number,
  onExpire: () => void,
  nowMs: () => number = () => performance.now(),
): Patience {
  let leftMs = totalMs;
  let isStopped = false;
  let since = nowMs();
  let timer: NodeJS.Timeout | null = setTimeout(onExpire, leftMs);

  function pause(): void {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    leftMs -= nowMs() - since;
  }

  return {
    pause,
    resume() {
      if (timer !== null || isStopped) return;
      since = nowMs();
      timer = setTimeout(onExpire, Math.max(0, leftMs));
    },
    stop() {
      pause();
      isStopped = true;
    },
  };
}
