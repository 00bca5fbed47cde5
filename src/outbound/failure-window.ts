const SLOTS = 10;

interface Slot {
  number: number;
  total: number;
  failed: number;
}

/** How much of what ended lately had failed. Memory is bounded: time is cut into ten slots. */
export class FailureWindow {
  readonly #slotMs: number;
  readonly #slots: Slot[] = [];

  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS;
  }

  /** `failed`: 0 for a success, 1 for a failure, or in between. */
  add(failed: number, nowMs: number): void {
    const number = Math.floor(nowMs / this.#slotMs);
    let slot = this.#slots.at(-1);
    if (slot === undefined || slot.number < number) {
      slot = { number, total: 0, failed: 0 };
      this.#slots.push(slot);
      if (this.#slots.length > SLOTS) this.#slots.shift();
    }
    slot.total += 1;
    slot.failed += failed;
  }

  /** `rate` is 0 when nothing ended. */
  read(nowMs: number): { readonly total: number; readonly rate: number } {
    const oldest = Math.floor(nowMs / this.#slotMs) - SLOTS;
    let total = 0;
    let failed = 0;
    for (const slot of this.#slots) {
      if (slot.number <= oldest) continue;
      total += slot.total;
      failed += slot.failed;
    }
    return { total, rate: total === 0 ? 0 : failed / total };
  }

  clear(): void {
    this.#slots.length = 0;
  }
}
