import { numberText } from './exposition.ts';
import type { Sample } from './exposition.ts';

/** The counts of a histogram. An observation is a short loop over numbers and makes no garbage. */
export class Buckets {
  readonly #bounds: Float64Array;
  /** Each alone, not cumulative; the last: beyond all bounds. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds in rising order, in the unit of what is observed */
  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  samples(labels = ''): Sample[] {
    const before = labels === '' ? '' : `${labels},`;
    let count = 0;
    const buckets = Array.from(this.#counts, (own, at) => {
      count += own;
      const bound = numberText(this.#bounds[at] ?? Infinity);
      return { suffix: '_bucket', labels: `${before}le="${bound}"`, value: count };
    });
    return [
      ...buckets,
      { suffix: '_sum', labels, value: this.#sum },
      { suffix: '_count', labels, value: count },
    ];
  }
}
