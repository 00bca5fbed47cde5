import type { ModelLimit } from './records.ts';

/** Models are named by clients: what one account remembers of them has an end. */
const MAX_LIMITS = 64;
const FIRST_PAUSE_MS = 60_000;
const MAX_PAUSE_MS = 3_600_000;
const REASONS = {
  model: 'upstream: too many messages to this model',
  account: 'upstream: too many requests',
};

/** Upstream's own limits on one account, for as long as upstream said. */
export class ModelLimits {
  #limits: readonly ModelLimit[];
  #key: string;
  /** Limits in a row that came without a time. */
  #guesses = 0;

  constructor(limits: readonly ModelLimit[]) {
    this.#limits = limits;
    this.#key = toKey(limits);
  }

  get list(): readonly ModelLimit[] {
    return this.#limits;
  }

  /** The models that are closed, `''` for none: accounts with the same key are good for the same questions. */
  get key(): string {
    return this.#key;
  }

  get endsMs(): number {
    return this.#limits.reduce((least, { untilMs }) => Math.min(least, untilMs), Infinity);
  }

  /** What closes the model, or with null the whole account; the latest to end. */
  find(model: string | null): ModelLimit | null {
    return this.#limits
      .filter((limit) => limit.model === null || limit.model === model)
      .reduce<ModelLimit | null>(
        (last, limit) => (limit.untilMs > (last?.untilMs ?? 0) ? limit : last),
        null,
      );
  }

  /** `waitS` null: upstream did not say; then a guess, doubled from one to the next until something succeeds. */
  add(model: string | null, waitS: number | null, nowMs: number): void {
    const known = this.#limits.find((limit) => limit.model === model);
    // Conversations that were under way together hear the same news: it counts once.
    if (waitS === null && known !== undefined) return;
    if (waitS === null) this.#guesses += 1;
    const waitMs = waitS === null ? this.#guessMs() : Math.max(1, waitS) * 1000;
    const untilMs = Math.max(known?.untilMs ?? 0, nowMs + waitMs);
    const reason = model === null ? REASONS.account : REASONS.model;
    this.#set(
      [...this.#limits.filter((limit) => limit !== known), { model, untilMs, reason }].slice(-MAX_LIMITS),
    );
  }

  /** Something succeeded: the next guess is a short one again. */
  relax(): void {
    this.#guesses = 0;
  }

  /** Forgets what is over. True: something was. */
  settle(nowMs: number): boolean {
    if (this.endsMs > nowMs) return false;
    this.#set(this.#limits.filter(({ untilMs }) => untilMs > nowMs));
    return true;
  }

  clear(): void {
    this.#guesses = 0;
    this.#set([]);
  }

  #guessMs(): number {
    return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#guesses - 1));
  }

  #set(limits: readonly ModelLimit[]): void {
    this.#limits = limits;
    this.#key = toKey(limits);
  }
}

function toKey(limits: readonly ModelLimit[]): string {
  return limits.length === 0
    ? ''
    : JSON.stringify(limits.map(({ model }) => model ?? '').sort((a, b) => (a < b ? -1 : 1)));
}
