const TICK_MS = 5;

/** Many appointments on one timer, to some milliseconds. */
export class Wheel {
  readonly #slots = new Map<number, { dueMs: number; act: (dueMs: number) => void }[]>();
  #next = Math.floor(Date.now() / TICK_MS);

  constructor() {
    setInterval(() => this.#turn(), TICK_MS);
  }

  /** `act` is told the time that was wanted, on the wall clock, however late it is by then. */
  at(dueMs: number, act: (dueMs: number) => void): void {
    const slot = Math.max(this.#next, Math.ceil(dueMs / TICK_MS));
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, [{ dueMs, act }]);
    else entries.push({ dueMs, act });
  }

  #turn(): void {
    const now = Math.floor(Date.now() / TICK_MS);
    while (this.#next <= now) {
      const entries = this.#slots.get(this.#next);
      this.#slots.delete(this.#next);
      this.#next += 1;
      for (const { dueMs, act } of entries ?? []) act(dueMs);
    }
  }
}
