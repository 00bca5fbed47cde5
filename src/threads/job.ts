import { expectedTries } from './expected-tries.ts';
import type { Queued, Urgency } from './line.ts';
import type { ProofPuzzle } from './tasks.ts';

/** Counters to try. */
export interface Range {
  readonly from: number;
  readonly tries: number;
}

/** `waiting`: no thread is at it, for now or yet. */
export type Phase = 'waiting' | 'searching';

export interface JobOptions {
  readonly puzzle: ProofPuzzle;
  readonly urgency: Urgency;
  /** How much time it may spend in each phase, all in all. */
  readonly limitsMs: Readonly<Record<Phase, number>>;
  /** The phase's time is used up. */
  readonly onLate: (phase: Phase) => void;
}

/** One puzzle on its way: which counters are still to be tried, and for how long. */
export class Job<Order> implements Queued {
  /** Whom to tell; null: nobody waits for it any more. */
  order: Order | null = null;
  readonly puzzle: ProofPuzzle;
  readonly urgency: Urgency;
  readonly expectedTries: number;
  readonly cancel = new SharedArrayBuffer(4);
  readonly spentMs: Record<Phase, number> = { waiting: 0, searching: 0 };
  /** Slices that threads are at. */
  slices = 0;
  tries = 0;
  /** Slices whose thread died. */
  lost = 0;
  readonly #options: JobOptions;
  #untriedFrom = 0;
  readonly #again: Range[] = [];
  #phase: Phase = 'waiting';
  #sinceMs: number;
  #timer: NodeJS.Timeout;

  constructor(options: JobOptions) {
    this.#options = options;
    this.puzzle = options.puzzle;
    this.urgency = options.urgency;
    this.expectedTries = expectedTries(options.puzzle.difficulty);
    this.#sinceMs = performance.now();
    this.#timer = this.#startTimer();
  }

  /** Counters that nobody is at, at most so many. */
  take(tries: number): Range {
    const lost = this.#again.pop();
    if (lost !== undefined) return lost;
    const from = this.#untriedFrom;
    this.#untriedFrom += tries;
    return { from, tries };
  }

  /** The thread died over them: they are taken again. */
  giveBack(range: Range): void {
    this.lost += 1;
    this.#again.push(range);
  }

  enter(phase: Phase): void {
    if (phase === this.#phase) return;
    this.#count();
    this.#phase = phase;
    clearTimeout(this.#timer);
    this.#timer = this.#startTimer();
  }

  /** Stops the threads that are at it, and the clock. */
  end(): void {
    this.#count();
    clearTimeout(this.#timer);
    Atomics.store(new Int32Array(this.cancel), 0, 1);
  }

  #count(): void {
    const now = performance.now();
    this.spentMs[this.#phase] += now - this.#sinceMs;
    this.#sinceMs = now;
  }

  #startTimer(): NodeJS.Timeout {
    const phase = this.#phase;
    const leftMs = this.#options.limitsMs[phase] - this.spentMs[phase];
    return setTimeout(() => this.#options.onLate(phase), Math.max(0, leftMs));
  }
}
