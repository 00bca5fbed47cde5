const FIRST_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 60_000;
const GROW_AFTER_SUCCESSES = 50;
const FIRST_GROWTH_MS = 3_600_000;
const MAX_GROWTH_MS = 86_400_000;

/**
 * How many conversations at once upstream lets one account have. "One message at a time" brings it down
 * to one. After 50 successes and an hour it grows by one, up to the setting; each time that this proves
 * wrong, the next attempt waits twice as long, up to a day.
 */
export class Allowance {
  readonly #setting: number;
  /** Null: never found to be less than the setting. */
  #learned: number | null;
  #growthMs: number;
  #sinceMs: number;
  #successes = 0;
  #refusals = 0;
  #pausedUntilMs = 0;

  constructor(setting: number, learned: number | null, nowMs: number) {
    this.#setting = setting;
    this.#learned = learned !== null && learned < setting ? Math.max(1, learned) : null;
    // The first refusal doubles it.
    this.#growthMs = this.#learned === null ? FIRST_GROWTH_MS / 2 : FIRST_GROWTH_MS;
    this.#sinceMs = nowMs;
  }

  get learned(): number | null {
    return this.#learned;
  }

  get concurrency(): number {
    return this.#learned ?? this.#setting;
  }

  /** Upstream may still count a conversation that is over for us: the next one waits a moment. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /** "One message at a time". The account stays in use: it is busy for a moment, and then less at once. */
  refused(nowMs: number): void {
    // What was under way together with the first refusal is refused for the same reason.
    if (nowMs < this.#pausedUntilMs) return;
    this.#growthMs = Math.min(MAX_GROWTH_MS, this.#growthMs * 2);
    this.#pausedUntilMs = nowMs + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#refusals);
    this.#refusals += 1;
    this.#learned = this.#setting > 1 ? 1 : null;
    this.#restart(nowMs);
  }

  succeeded(nowMs: number): void {
    this.#refusals = 0;
    if (this.#learned === null) return;
    this.#successes += 1;
    if (this.#successes < GROW_AFTER_SUCCESSES || nowMs - this.#sinceMs < this.#growthMs) return;
    this.#learned = this.#learned + 1 < this.#setting ? this.#learned + 1 : null;
    this.#restart(nowMs);
  }

  #restart(nowMs: number): void {
    this.#successes = 0;
    this.#sinceMs = nowMs;
  }
}
