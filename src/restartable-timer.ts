/**
 * A restartable timer. `stop` for good; `touch` starts the wait anew, also after it expired. A touch is but a
 * look at the clock: the timer sees when it fires what is left.
 */
export class RestartableTimer {
  readonly #ms: number;
  readonly #onExpire: () => void;
  readonly #onTimer = (): void => this.#check();
  #touchedAt = performance.now();
  #hasExpired = false;
  #timer: NodeJS.Timeout;

  constructor(ms: number, onExpire: () => void) {
    this.#ms = ms;
    this.#onExpire = onExpire;
    this.#timer = setTimeout(this.#onTimer, ms);
  }

  touch(): void {
    this.#touchedAt = performance.now();
    if (this.#hasExpired) this.#wait(this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    const leftMs = this.#touchedAt + this.#ms - performance.now();
    if (leftMs >= 1) return this.#wait(leftMs);
    this.#hasExpired = true;
    this.#onExpire();
  }

  #wait(ms: number): void {
    this.#hasExpired = false;
    this.#timer = setTimeout(this.#onTimer, ms);
  }
}
