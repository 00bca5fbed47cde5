import { Buckets } from './buckets.ts';
import type { Family } from './exposition.ts';
import { labelText } from './exposition.ts';
import { PhaseMeter } from './phase-meter.ts';

/**
 * What a chat is at, one attempt after the other: until it has an account, an answer to upstream's challenges,
 * its files uploaded (beside the challenges), the head of upstream's answer; then the answer itself.
 */
const PHASES = ['account', 'clearance', 'upload', 'answer', 'streaming'] as const;
export type Phase = (typeof PHASES)[number];

const GAP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const PROOF_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60];
const PROOF_TRIES = [100, 1_000, 10_000, 50_000, 100_000, 250_000, 500_000, 1e6, 2.5e6, 5e6, 1e7, 1e8];

/** Is told what chats go through, while they do; costs next to nothing until a scrape. */
export class TurnMeter {
  /** Any origin. */
  readonly nowMs: () => number;
  readonly phases: Readonly<Record<Phase, PhaseMeter>>;
  readonly #gaps = new Buckets(GAP_SECONDS);
  readonly #proofSeconds = new Buckets(PROOF_SECONDS);
  readonly #proofTries = new Buckets(PROOF_TRIES);
  readonly #attempts = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
    this.phases = {
      account: new PhaseMeter(nowMs),
      clearance: new PhaseMeter(nowMs),
      upload: new PhaseMeter(nowMs),
      answer: new PhaseMeter(nowMs),
      streaming: new PhaseMeter(nowMs),
    };
  }

  /** How many chats are in each phase; they may be uploading and at the challenges at once. */
  get inPhase(): Readonly<Record<Phase, number>> {
    const { account, clearance, upload, answer, streaming } = this.phases;
    return {
      account: account.inside,
      clearance: clearance.inside,
      upload: upload.inside,
      answer: answer.inside,
      streaming: streaming.inside,
    };
  }

  /** @param code of the error that ended it; empty: it went well */
  attempted(code: string): void {
    this.#attempts.set(code, (this.#attempts.get(code) ?? 0) + 1);
  }

  /** Between two parts of one answer: with the reading of the clock 60 ns, 1 % of what a part costs at least. */
  gap(ms: number): void {
    this.#gaps.observe(ms / 1000);
  }

  proved(ms: number, tries: number): void {
    this.#proofSeconds.observe(ms / 1000);
    this.#proofTries.observe(tries);
  }

  families(): Family[] {
    return [
      {
        name: 'chat2api_attempts_total',
        type: 'counter',
        help: 'Attempts of chats that ended, retries among them, by what ended them; empty: they went well',
        samples: [...this.#attempts].map(([code, value]) => ({ labels: labelText({ code }), value })),
      },
      {
        name: 'chat2api_phase_duration_seconds',
        type: 'histogram',
        help: 'How long attempts of chats spent in each phase',
        samples: PHASES.flatMap((phase) => this.phases[phase].samples(phase)),
      },
      {
        name: 'chat2api_stream_gap_seconds',
        type: 'histogram',
        help: 'Between two parts of an answer as they come from upstream; not while the client reads too slowly',
        samples: this.#gaps.samples(),
      },
      {
        name: 'chat2api_proof_duration_seconds',
        type: 'histogram',
        help: 'From the order to the solution of a proof of work that a thread solved, its wait for a thread included',
        samples: this.#proofSeconds.samples(),
      },
      {
        name: 'chat2api_proof_tries',
        type: 'histogram',
        help: 'Tries that a proof of work took which a thread solved',
        samples: this.#proofTries.samples(),
      },
    ];
  }
}
