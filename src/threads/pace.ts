import type { ProofText } from './tasks.ts';

type Search = ProofText['search'];

/**
 * How long a thread keeps to one puzzle before somebody else may have it. Going to a thread and back
 * costs 0.03 to 0.1 ms, some percent of this at most.
 */
export const SLICE_MS = 8;
/** A rate before anything was measured: low, so that the first slice is rather too short. */
const FIRST_GUESS_PER_MS = 64;
/** In less time the way to the thread and back counts more than the tries. */
const LEAST_MS = 1;
const NEWEST_WEIGHT = 0.25;
/** One slice during which the machine did something else says little. */
const MAX_STEP = 4;
const LEAST_TRIES = 64;

/** How fast threads try counters, learned from what they do. Both ways to search differ many times. */
export class Pace {
  readonly #perMs: Record<Search, number> = { tail: FIRST_GUESS_PER_MS, nonce: FIRST_GUESS_PER_MS };

  note(search: Search, tries: number, tookMs: number): void {
    if (tookMs < LEAST_MS || tries < LEAST_TRIES) return;
    const known = this.#perMs[search];
    const seen = Math.min(known * MAX_STEP, Math.max(known / MAX_STEP, tries / tookMs));
    this.#perMs[search] = known + (seen - known) * NEWEST_WEIGHT;
  }

  sliceTries(search: Search): number {
    return Math.max(LEAST_TRIES, Math.round(this.#perMs[search] * SLICE_MS));
  }

  /** Of one thread. */
  expectedMs(search: Search, tries: number): number {
    return tries / this.#perMs[search];
  }
}
