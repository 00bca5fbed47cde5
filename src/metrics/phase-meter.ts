import { Buckets } from './buckets.ts';
import { labelText } from './exposition.ts';
import type { Sample } from './exposition.ts';

const PHASE_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

/** One phase of chats: who is in it, and how long they stayed. */
export class PhaseMeter {
  readonly #nowMs: () => number;
  readonly #seconds = new Buckets(PHASE_SECONDS);
  #inside = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Since when; `leave` wants to know. */
  enter(): number {
    this.#inside += 1;
    return this.#nowMs();
  }

  /** Once for each `enter`. */
  leave(sinceMs: number): void {
    this.#inside -= 1;
    this.#seconds.observe((this.#nowMs() - sinceMs) / 1000);
  }

  samples(phase: string): Sample[] {
    return this.#seconds.samples(labelText({ phase }));
  }
}
