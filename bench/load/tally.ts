import type { Load, LoadResult, Quantiles } from './protocol.ts';

type Counts = Omit<LoadResult, 'usage' | 'windowMs' | 'ownDelayMs'>;

/** What a load comes to, chat by chat and delta by delta. Times in milliseconds after its start. */
export class Tally {
  readonly #load: Load;
  readonly #firstTextMs: number[] = [];
  readonly #gapMs: number[] = [];
  readonly #lateMs: number[] = [];
  readonly #failures = new Map<string, number>();
  /** While the window is open. */
  isCounting = false;
  #latestMs = 0;
  #events = 0;
  #chats = 0;
  #started = 0;
  #correct = 0;
  #unfinished = 0;

  constructor(load: Load) {
    this.#load = load;
  }

  began(): void {
    this.#started += 1;
  }

  firstText(afterMs: number): void {
    this.#firstTextMs.push(afterMs);
  }

  /** So many deltas came at once, so long after the one before; null: before there was none. */
  came(deltas: number, gapMs: number | null): void {
    if (!this.isCounting) return;
    this.#events += deltas;
    if (this.#load.deltasPerSecond === null) return;
    if (gapMs !== null) this.#gapMs.push(gapMs);
    for (let more = 1; more < deltas; more += 1) this.#gapMs.push(0);
  }

  late(ms: number): void {
    if (ms > this.#latestMs) this.#latestMs = ms;
    if (this.isCounting) this.#lateMs.push(Math.max(0, ms));
  }

  cut(): void {
    this.#unfinished += 1;
  }

  ended(failure: string | null): void {
    if (this.isCounting) this.#chats += 1;
    if (failure === null) this.#correct += 1;
    else this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
  }

  counts(): Counts {
    return {
      started: this.#started,
      correct: this.#correct,
      unfinished: this.#unfinished,
      failures: Object.fromEntries(this.#failures),
      events: this.#events,
      chats: this.#chats,
      firstTextMs: quantiles(this.#firstTextMs),
      gapMs: quantiles(this.#gapMs),
      latestMs: this.#latestMs,
      lateMs: quantiles(this.#lateMs),
    };
  }
}

/** Zeros when there is nothing. */
function quantiles(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
