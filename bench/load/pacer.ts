/** Something that is done again and again in the same interval, until it says false. */
export type Step = () => boolean;

const SLOT_MS = 1;

/**
 * One timer for all streams of one pace: a wheel with a slot for each millisecond of the interval. A stream
 * gets the slot in which it began, so what began at different times comes at different times.
 */
export class Pacer {
  readonly #slots: Step[][];
  readonly #startedAt = performance.now();
  #turned = 0;
  #steps = 0;

  constructor(intervalMs: number) {
    this.#slots = Array.from({ length: Math.max(1, Math.round(intervalMs / SLOT_MS)) }, () => []);
  }

  /** The first step is due one interval from now. */
  add(step: Step): void {
    // With nobody on it the wheel stood still: nothing of that time is due.
    if (this.#steps === 0) {
      this.#turned = this.#now();
      this.#turnSoon();
    }
    this.#slotAt(this.#turned).push(step);
    this.#steps += 1;
  }

  #turnSoon(): void {
    setTimeout(() => this.#turn(), SLOT_MS);
  }

  #now(): number {
    return Math.floor((performance.now() - this.#startedAt) / SLOT_MS);
  }

  /** Timers may be late: all slots that were due are taken, in their order. */
  #turn(): void {
    for (const now = this.#now(); this.#turned < now; this.#turned += 1) this.#take(this.#turned + 1);
    if (this.#steps > 0) this.#turnSoon();
  }

  #take(tick: number): void {
    const slot = this.#slotAt(tick);
    if (slot.length === 0) return;
    const going = slot.filter((step) => step());
    this.#steps -= slot.length - going.length;
    slot.splice(0, slot.length, ...going);
  }

  #slotAt(tick: number): Step[] {
    return this.#slots[tick % this.#slots.length] as Step[];
  }
}
