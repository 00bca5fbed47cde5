import type { AnswerCheck } from './answer-check.ts';
import type { ChatReader } from './chat-connection.ts';
import type { Load } from './protocol.ts';
import type { Tally } from './tally.ts';

/** One answer as it comes. */
export class Chat implements ChatReader {
  readonly #intendedAt: number;
  readonly #check: AnswerCheck;
  readonly #tally: Tally;
  readonly #atOnce: number;
  readonly #intervalMs: number | null;
  readonly #ended: () => void;
  #firstAt = 0;
  #firstDeltas = 0;
  #lastAt = 0;
  #isOver = false;

  constructor(intendedAt: number, check: AnswerCheck, load: Load, tally: Tally, ended: () => void) {
    this.#intendedAt = intendedAt;
    this.#check = check;
    this.#tally = tally;
    this.#atOnce = load.atOnce;
    this.#intervalMs = load.deltasPerSecond === null ? null : 1000 / load.deltasPerSecond;
    this.#ended = ended;
  }

  onBody(bytes: string): void {
    const before = this.#check.deltas;
    this.#check.push(bytes);
    const deltas = this.#check.deltas - before;
    if (deltas <= 0) return;
    const now = performance.now();
    if (before === 0) this.#onFirst(now, deltas);
    else this.#onFurther(now, deltas, before);
    this.#lastAt = now;
  }

  #onFirst(now: number, deltas: number): void {
    this.#firstAt = now;
    this.#firstDeltas = Math.max(deltas, this.#atOnce);
    this.#tally.firstText(now - this.#intendedAt);
    this.#tally.came(Math.max(1, deltas - this.#atOnce + 1), null);
  }

  #onFurther(now: number, deltas: number, before: number): void {
    // A proxy may cut what the upstream said at once: that is no further event.
    const since = Math.max(before, this.#firstDeltas);
    const events = before + deltas - since;
    if (events <= 0) return;
    this.#tally.came(events, now - this.#lastAt);
    if (this.#intervalMs === null) return;
    // The first of those that came together is the latest.
    const dueAt = this.#firstAt + (since - this.#firstDeltas + 1) * this.#intervalMs;
    this.#tally.late(now - dueAt);
  }

  cut(): void {
    this.#isOver = true;
    if (this.#check.wrong === null) this.#tally.cut();
    else this.#tally.ended(this.#check.wrong);
  }

  onEnd(failure: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tally.ended(failure ?? this.#check.verdict());
    this.#ended();
  }
}
