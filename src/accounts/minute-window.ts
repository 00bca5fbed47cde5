const SLOTS = 61;
const SLOT_MS = 1_000;

/**
 * How many in the last minute, counted by the second: nothing is forgotten too early, or more than a
 * second too late, and the memory does not grow with the rate. Times are at least 0 and never go back.
 */
export class MinuteWindow {
  readonly #counts = new Uint32Array(SLOTS);
  /** The second of the newest count. */
  #second = Number.NEGATIVE_INFINITY;
  #total = 0;

  count(elapsedMs: number): number {
    this.#advance(elapsedMs);
    return this.#total;
  }

  add(elapsedMs: number): void {
    this.#advance(elapsedMs);
    const slot = this.#second % SLOTS;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#total += 1;
  }

  /** In how many ms there will be fewer than `limit`, as things are. */
  waitMs(limit: number, elapsedMs: number): number {
    this.#advance(elapsedMs);
    let left = this.#total;
    for (let age = SLOTS - 1; age >= 0 && left >= limit; age -= 1) {
      left -= this.#counts[(this.#second - age + SLOTS) % SLOTS] ?? 0;
      if (left < limit) return (this.#second - age + SLOTS) * SLOT_MS - elapsedMs;
    }
    return 0;
  }

  /** Forgets the seconds that are over. */
  #advance(elapsedMs: number): void {
    const second = Math.floor(elapsedMs / SLOT_MS);
    const passed = Math.min(SLOTS, second - this.#second);
    for (let ahead = 0; ahead < passed; ahead += 1) {
      const slot = (second - ahead) % SLOTS;
      this.#total -= this.#counts[slot] ?? 0;
      this.#counts[slot] = 0;
    }
    this.#second = second;
  }
}
