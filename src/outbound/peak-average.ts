/**
 * A moving average by time that believes bad news at once and good news slowly: a sample above it
 * replaces it, one below it counts the more the longer nothing was heard.
 */
export class PeakAverage {
  readonly #decayMs: number;
  #value: number | null = null;
  #atMs = 0;

  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  add(sample: number, nowMs: number): void {
    const old = this.#value ?? sample;
    const kept = this.#keptAt(nowMs);
    this.#value = sample > old ? sample : old * kept + sample * (1 - kept);
    this.#atMs = nowMs;
  }

  /** Null: no sample yet. */
  get value(): number | null {
    return this.#value;
  }

  /** The value, sinking while nothing is heard: who is avoided for being slow must be tried again some day. */
  at(nowMs: number): number | null {
    return this.#value === null ? null : this.#value * this.#keptAt(nowMs);
  }

  #keptAt(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#atMs) / this.#decayMs);
  }
}
