/** The time and a way to be called later. Passed in, so that tests can let an hour pass. */
export interface Clock {
  /** Of the wall clock: by it upstream's limits are remembered. */
  readonly nowMs: () => number;
  /** Starts anywhere and never goes back: by it waiting is measured. */
  readonly elapsedMs: () => number;
  /** Calls back once; the returned function takes that back. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

/** The longest delay that a timer takes; an alarm for later rings too early. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Its timers keep no process alive. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * One timer for many that want to be woken. It is only ever set to an earlier time, never to a later
 * one, so it may ring when nothing is due: whoever is rung looks what is, and asks again.
 */
export class Alarm {
  readonly #after: Clock['after'];
  readonly #nowMs: () => number;
  readonly #ring: () => void;
  #atMs = Infinity;
  #cancel: () => void = () => {};

  constructor(after: Clock['after'], nowMs: () => number, ring: () => void) {
    this.#after = after;
    this.#nowMs = nowMs;
    this.#ring = ring;
  }

  /** Infinity: need not ring. */
  ask(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.stop();
    this.#atMs = atMs;
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(atMs - this.#nowMs())));
    this.#cancel = this.#after(delayMs, () => {
      this.#atMs = Infinity;
      this.#ring();
    });
  }

  stop(): void {
    this.#cancel();
    this.#atMs = Infinity;
  }
}
