import type { Clock } from '../../src/accounts/alarm.ts';

/** Time that passes only when a test says so. */
export class ManualClock implements Clock {
  #ms: number;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  constructor(startMs = 1_800_000_000_000) {
    this.#ms = startMs;
  }

  readonly nowMs = (): number => this.#ms;
  readonly elapsedMs = (): number => this.#ms;
  readonly after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.#ms + delayMs, callback };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  };

  get timers(): number {
    return this.#timers.length;
  }

  /** Calls back whoever is due meanwhile, in order, each at his time. */
  advance(ms: number): void {
    const endMs = this.#ms + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#ms = Math.max(this.#ms, next.atMs);
      next.callback();
    }
    this.#ms = endMs;
  }
}
