import { Buckets } from './buckets.ts';
import type { Sample } from './exposition.ts';

const GAP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const TICK_MS = 50;
/** So many gaps that begin between two ticks are measured: 1,000 in a second. */
export const MEASURED_PER_TICK = 50;
/** Of those beyond, each is measured with a chance of one in so many. */
export const ONE_IN = 16;
/** A gap over which the ticks went on by so much is long, and counted in any case. */
export const LONG_MS = 250;

/**
 * How long it is from one part of a stream to the next. A reading of the clock takes 40 ns, and an event 5 us when
 * there are many; so when there are, few gaps are measured and stand for the others: 15 ns each. Whether one is, is
 * settled when it begins and nobody knows how long it becomes:
 *
 *   gaps that begin ...         weight   length
 *   among the first of a tick   1        by the clock
 *   later, one in sixteen       16       by the clock
 *   the others                  0
 *   ... all of these, if long   1        by the clock where it was read, else by the ticks
 *
 * Expected counts, sum and quantiles are those of all gaps, and no long one, which is rare, goes uncounted.
 */
export class GapMeter {
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #seconds = new Buckets(GAP_SECONDS);
  #left = MEASURED_PER_TICK;
  #untilNext: number;
  #tickedMs: number;

  /**
   * @param nowMs any origin; the ticks are on it, too
   * @param random in [0, 1)
   */
  constructor(nowMs: () => number, random: () => number) {
    this.#nowMs = nowMs;
    this.#random = random;
    this.#untilNext = untilNext(random());
    this.#tickedMs = nowMs();
  }

  /** Whoever has open streams calls it every TICK_MS. */
  tick(): void {
    this.#tickedMs = this.#nowMs();
    this.#left = MEASURED_PER_TICK;
  }

  nowMs(): number {
    return this.#nowMs();
  }

  get tickedMs(): number {
    return this.#tickedMs;
  }

  /** The weight of the gap that begins now; 0: it is not measured. */
  draw(): number {
    if (this.#left > 0) {
      this.#left -= 1;
      return 1;
    }
    this.#untilNext -= 1;
    if (this.#untilNext > 0) return 0;
    this.#untilNext = untilNext(this.#random());
    return ONE_IN;
  }

  count(ms: number, weight: number): void {
    this.#seconds.observe(ms / 1000, weight);
  }

  samples(): Sample[] {
    return this.#seconds.samples();
  }
}

/** As if a die with so many sides were thrown for each: how many throws it takes. */
function untilNext(random: number): number {
  return Math.ceil(Math.log(1 - random) / Math.log(1 - 1 / ONE_IN));
}

/** The gaps of one stream. */
export class StreamGaps {
  readonly #meter: GapMeter;
  /** Of the gap that is under way. */
  #weight = 0;
  /** When it began, where it has a weight. */
  #sinceMs = NaN;
  /** The tick that it began in; Infinity: none is under way. */
  #sinceTickMs = Infinity;

  constructor(meter: GapMeter) {
    this.#meter = meter;
  }

  /** A part came. */
  part(): void {
    const meter = this.#meter;
    const { tickedMs } = meter;
    const ticksMs = tickedMs - this.#sinceTickMs;
    const isLong = ticksMs >= LONG_MS;
    const isMeasured = this.#weight > 0;
    const nowMs = isMeasured ? meter.nowMs() : NaN;
    if (isMeasured) meter.count(nowMs - this.#sinceMs, isLong ? 1 : this.#weight);
    else if (isLong) meter.count(ticksMs, 1);
    this.#sinceTickMs = tickedMs;
    this.#weight = meter.draw();
    if (this.#weight > 0) this.#sinceMs = isMeasured ? nowMs : meter.nowMs();
  }

  /** The gap that is under way is not upstream's. */
  forget(): void {
    this.#weight = 0;
    this.#sinceTickMs = Infinity;
  }
}
