import { FailureWindow } from './failure-window.ts';
import type { HealthPolicy } from './health-policy.ts';
import { PeakAverage } from './peak-average.ts';

/** Less than `failureRate`: soft failures alone never eject. */
const SOFT_FAILURE = 0.5;
/** How much less attractive than a flawless node one is that fails always. */
/** Nobody notices who is faster below this: there, load decides. */
const FAST_MS = 50;
const RATE_PENALTY = 4;

/**
 *            fails too often                 time is up              the probe succeeds
 *   well ────────────────────> ejected ────────────────> returning ────────────────> slow_start ──> well
 *    └─> failing, when too many   ^                          │ the probe fails
 *        others are ejected       └──────────────────────────┘
 *
 * A failing node stays in use, for want of better ones; its next success makes it well.
 */
export type Standing = 'well' | 'slow_start' | 'failing' | 'ejected' | 'returning';

/** How a visit ended for one node. `witness`: the other end of the way, which may as well be at fault; null: it is not. */
export type Outcome =
  | { readonly type: 'success' }
  /** Says nothing about the node: the client left, or it was somebody else's fault. */
  | { readonly type: 'nothing' }
  | {
      readonly type: 'failure';
      readonly grade: 'hard' | 'soft';
      readonly code: string;
      readonly witness: string | null;
    };

/** One request at a node, until it is given to `end`. */
export interface Visit {
  readonly epoch: number;
  readonly isProbe: boolean;
}

export interface NodeEvent {
  readonly node: string;
  readonly kind: 'ejected' | 'failing' | 'probing' | 'returned';
  /** Code of the failure that led to it; null: none did. */
  readonly reason: string | null;
  readonly untilMs: number | null;
}

export interface NodeOptions {
  /** Free of secrets: goes to logs and pages. */
  readonly label: string;
  readonly policy: HealthPolicy;
  /** So many different nodes at the other end must have been there when what may be their fault ejects. */
  readonly witnesses: number;
  /** May one more of its kind be ejected? */
  readonly mayEject: () => boolean;
  readonly onEvent: (event: NodeEvent) => void;
}

/** The health of one exit or gateway, told by the requests that used it. Pure: times are passed in, in ms. */
export class NodeHealth {
  readonly label: string;
  readonly #options: NodeOptions;
  readonly #window: FailureWindow;
  readonly #latency: PeakAverage;
  /** Hard failures since the last success, by who was at the other end; `null`: it is certainly not their fault. */
  readonly #inRow = new Map<string | null, number>();
  #standing: Standing = 'well';
  /** When the standing began, and when it ends by itself. */
  #sinceMs = -Infinity;
  #untilMs = Infinity;
  #reason: string | null = null;
  /** How many times over the ejection is as long as the first. */
  #level = 0;
  /** Visits that began before the last ejection are not judged: their kind of failure is known already. */
  #epoch = 0;
  #probes = 0;
  #isTried = false;
  inFlight = 0;
  succeeded = 0;
  failed = 0;
  ejections = 0;

  constructor(options: NodeOptions) {
    this.label = options.label;
    this.#options = options;
    this.#window = new FailureWindow(options.policy.windowMs);
    this.#latency = new PeakAverage(options.policy.latencyDecayMs);
  }

  standing(nowMs: number): Standing {
    if (nowMs >= this.#untilMs) {
      if (this.#standing === 'ejected') this.#enter('returning', this.#untilMs, Infinity);
      else this.#enter('well', this.#untilMs, Infinity);
    }
    return this.#standing;
  }

  isGood(nowMs: number): boolean {
    const standing = this.standing(nowMs);
    return standing === 'well' || standing === 'slow_start';
  }

  /** Back from an ejection, and nobody, or not enough, on the way to try it. */
  wantsProbe(nowMs: number): boolean {
    return this.standing(nowMs) === 'returning' && this.#probes < this.#options.policy.maxProbes;
  }

  /** Between 0 and 1: its share of the requests, compared with a node that is well. */
  weight(nowMs: number): number {
    if (this.standing(nowMs) !== 'slow_start') return 1;
    const { slowStartMs, minWeight } = this.#options.policy;
    return Math.min(1, Math.max(minWeight, (nowMs - this.#sinceMs) / slowStartMs));
  }

  /** When it was last begun with; -Infinity: never. */
  usedMs = -Infinity;

  /** What one more request would suffer here; to be compared only. `unknownMs` stands in for a latency not known. */
  cost(nowMs: number, unknownMs: number): number {
    const latencyMs = Math.max(FAST_MS, this.latencyAt(nowMs) ?? unknownMs);
    return (this.inFlight + 1) * latencyMs * (1 + RATE_PENALTY * this.#window.read(nowMs).rate);
  }

  latencyAt(nowMs: number): number | null {
    return this.#latency.at(nowMs);
  }

  get latencyMs(): number | null {
    return this.#latency.value;
  }

  /** Code of the failure that made it anything but well. */
  get reason(): string | null {
    return this.#reason;
  }

  /** When the standing ends by itself; null: it does not. */
  get untilMs(): number | null {
    return this.#untilMs === Infinity ? null : this.#untilMs;
  }

  /** A request begins; each must come to its `end`. */
  begin(nowMs: number): Visit {
    this.usedMs = nowMs;
    this.inFlight += 1;
    const isProbe = this.standing(nowMs) === 'returning';
    if (isProbe) {
      this.#probes += 1;
      if (!this.#isTried) this.#tell('probing');
      this.#isTried = true;
    }
    return { epoch: this.#epoch, isProbe };
  }

  end(visit: Visit, outcome: Outcome, nowMs: number): void {
    this.inFlight -= 1;
    const isCurrent = visit.epoch === this.#epoch;
    if (visit.isProbe && isCurrent) this.#probes -= 1;
    if (outcome.type === 'success') this.succeeded += 1;
    if (outcome.type === 'failure') this.failed += 1;
    if (!isCurrent) return;
    const standing = this.standing(nowMs);
    if (outcome.type === 'success') this.#succeed(nowMs);
    if (outcome.type !== 'failure') return;
    if (standing === 'returning' && visit.isProbe && outcome.grade === 'hard') {
      this.#eject(outcome.code, nowMs);
    }
    if (standing !== 'ejected' && standing !== 'returning') this.#count(outcome, nowMs);
  }

  /** An answer's head, and that of a success, came so long after its request was begun. */
  observe(latencyMs: number, nowMs: number): void {
    this.#latency.add(latencyMs, nowMs);
    const standing = this.standing(nowMs);
    if (standing === 'returning' && nowMs - latencyMs >= this.#sinceMs) this.#return(nowMs);
  }

  /** What failed with this one at the other end was the other's fault. */
  absolve(witness: string): void {
    this.#inRow.delete(witness);
  }

  #succeed(nowMs: number): void {
    this.#window.add(0, nowMs);
    // Clearing makes a new table even of an empty one: 14 % of what chats left behind.
    if (this.#inRow.size > 0) this.#inRow.clear();
    if (!this.isGood(nowMs)) this.#return(nowMs);
  }

  #count({ grade, code, witness }: Extract<Outcome, { type: 'failure' }>, nowMs: number): void {
    this.#window.add(grade === 'soft' ? SOFT_FAILURE : 1, nowMs);
    if (grade === 'soft') return;
    this.#inRow.set(witness, (this.#inRow.get(witness) ?? 0) + 1);
    if (this.#failsTooOften(nowMs) && this.#isItself()) this.#putAside(code, nowMs);
  }

  #failsTooOften(nowMs: number): boolean {
    const { failuresInRow, failureRate, minVolume } = this.#options.policy;
    const { total, rate } = this.#window.read(nowMs);
    const inRow = [...this.#inRow.values()].reduce((sum, count) => sum + count, 0);
    return inRow >= failuresInRow || (total >= minVolume && rate >= failureRate);
  }

  /** Is it this node that fails, rather than the one node at the other end of all its failures? */
  #isItself(): boolean {
    return this.#inRow.has(null) || this.#inRow.size >= this.#options.witnesses;
  }

  #putAside(code: string, nowMs: number): void {
    if (this.#options.mayEject()) return this.#eject(code, nowMs);
    const isNews = this.#standing !== 'failing';
    this.#enter('failing', nowMs, nowMs + this.#options.policy.ejectMs);
    this.#reason = code;
    if (isNews) this.#tell('failing');
  }

  #eject(code: string, nowMs: number): void {
    const { ejectMs, maxEjectMs, forgiveMs } = this.#options.policy;
    const backMs = this.#standing === 'returning' ? 0 : nowMs - this.#sinceMs;
    this.#level = Math.max(0, this.#level - Math.floor(backMs / forgiveMs)) + 1;
    this.#enter('ejected', nowMs, nowMs + Math.min(maxEjectMs, ejectMs * this.#level));
    this.#reason = code;
    this.#epoch += 1;
    this.#probes = 0;
    this.#isTried = false;
    this.#forget();
    this.ejections += 1;
    this.#tell('ejected');
  }

  #return(nowMs: number): void {
    if (this.#standing === 'failing') this.#enter('well', nowMs, Infinity);
    else this.#enter('slow_start', nowMs, nowMs + this.#options.policy.slowStartMs);
    this.#tell('returned');
    this.#forget();
  }

  #forget(): void {
    this.#window.clear();
    this.#inRow.clear();
  }

  #enter(standing: Standing, sinceMs: number, untilMs: number): void {
    this.#standing = standing;
    this.#sinceMs = sinceMs;
    this.#untilMs = untilMs;
    if (standing === 'well') this.#reason = null;
  }

  #tell(kind: NodeEvent['kind']): void {
    this.#options.onEvent({ node: this.label, kind, reason: this.#reason, untilMs: this.untilMs });
  }
}
