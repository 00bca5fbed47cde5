/** One stop sequence and how much of it the text so far ends with (Knuth, Morris, Pratt). */
interface Tracker {
  readonly sequence: string;
  /** By matched length: the longest shorter match that ends at the same place. */
  readonly fallback: Int32Array;
  matched: number;
}

/**
 * Ends a growing text before the stop sequence that begins first. Holds back only what may be the
 * beginning of one, which is always shorter than the longest of them.
 */
export class StopFilter {
  readonly #trackers: readonly Tracker[];
  #held = '';
  /** Where in the held text a found sequence begins, while one that began earlier may still complete. */
  #foundAt = Infinity;
  #found = false;

  /** `stop`: non-empty, well-formed strings. */
  constructor(stop: readonly string[]) {
    this.#trackers = stop.map((sequence) => ({ sequence, fallback: fallbacksOf(sequence), matched: 0 }));
  }

  get found(): boolean {
    return this.#found;
  }

  /** Takes more text; gives what certainly precedes any stop sequence. */
  push(text: string): string {
    if (this.#found) return '';
    const all = this.#held + text;
    for (let end = this.#held.length + 1; end <= all.length; end++) {
      this.#advance(all.charCodeAt(end - 1), end);
      if (this.#foundAt <= this.#earliestStart(end)) return this.#stopAt(this.#foundAt, all);
    }
    const holdFrom = this.#earliestStart(all.length);
    this.#held = all.slice(holdFrom);
    this.#foundAt -= holdFrom;
    return all.slice(0, holdFrom);
  }

  /** The text is complete; gives the rest of it. */
  end(): string {
    if (this.#foundAt < Infinity) return this.#stopAt(this.#foundAt, this.#held);
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #advance(unit: number, end: number): void {
    for (const tracker of this.#trackers) {
      const { sequence, fallback } = tracker;
      let matched = tracker.matched;
      while (matched > 0 && sequence.charCodeAt(matched) !== unit) matched = fallback[matched] ?? 0;
      if (sequence.charCodeAt(matched) === unit) matched++;
      if (matched === sequence.length) {
        this.#foundAt = Math.min(this.#foundAt, end - matched);
        matched = fallback[matched] ?? 0;
      }
      tracker.matched = matched;
    }
  }

  /** Where the earliest sequence that may still complete begins; `end` when there is none. */
  #earliestStart(end: number): number {
    let start = end;
    for (const { matched } of this.#trackers) start = Math.min(start, end - matched);
    return start;
  }

  #stopAt(at: number, text: string): string {
    this.#found = true;
    this.#held = '';
    this.#foundAt = Infinity;
    return text.slice(0, at);
  }
}

function fallbacksOf(sequence: string): Int32Array {
  const fallback = new Int32Array(sequence.length + 1);
  let matched = 0;
  for (let end = 1; end < sequence.length; end++) {
    const unit = sequence.charCodeAt(end);
    while (matched > 0 && sequence.charCodeAt(matched) !== unit) matched = fallback[matched] ?? 0;
    if (sequence.charCodeAt(matched) === unit) matched++;
    fallback[end + 1] = matched;
  }
  return fallback;
}
