import type { AccountState, AccountView } from '../admin/desk.ts';
import type { Credential } from '../conversation/turn.ts';
import type { ChatError, Fault } from '../errors.ts';
import { Allowance } from './allowance.ts';
import { ModelLimits } from './model-limits.ts';
import type { AccessToken, AccountRecord, ModelLimit, Standing } from './records.ts';

export interface AccountRules {
  /** ACCOUNT_CONCURRENCY */
  readonly concurrency: number;
  /** ENABLE_LIMIT; false: upstream's limits are not remembered. */
  readonly honoursLimits: boolean;
}

/** What one conversation was about. */
export interface Use {
  /** A slug or a custom GPT. */
  readonly model: string;
  /** The access token that it ran under; null: of a refresh credential, the one that was fetched for it. */
  readonly token: string | null;
}

/** The others say nothing of upstream, among them that the client left. */
const COUNTED: ReadonlySet<Fault> = new Set(['account', 'address', 'upstream']);
const GOOD: Standing = { kind: 'good' };

/**
 * What is known of one account, and what follows from each thing that happens to it. Pure: the time is
 * passed in. Nothing but the account's own faults is held against it: a backend that fails, times out
 * or dislikes an address says nothing about who asked.
 */
export class Account {
  readonly id: string;
  readonly #rules: AccountRules;
  readonly #addedMs: number;
  #credential: Credential;
  #access: AccessToken | null;
  #standing: Standing;
  #plan: string | null;
  #limits: ModelLimits;
  #allowance: Allowance;
  /** The access token comes out of an exchange and has not served yet. */
  #isFresh = false;
  #refreshTrouble: string | null = null;
  #inFlight = 0;
  #succeeded = 0;
  #failed = 0;
  #lastFailure: { code: string; atMs: number } | null = null;
  #lastUsedMs: number | null = null;

  constructor(record: AccountRecord, rules: AccountRules, nowMs: number) {
    this.id = record.id;
    this.#rules = rules;
    this.#addedMs = record.addedMs;
    this.#credential = record.credential;
    this.#access = record.access;
    this.#standing = record.standing;
    this.#plan = record.plan;
    this.#limits = new ModelLimits(rules.honoursLimits ? record.limits : []);
    this.#allowance = new Allowance(rules.concurrency, record.concurrency, nowMs);
    this.#limits.settle(nowMs);
  }

  get credential(): Credential {
    return this.#credential;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Neither disabled nor quarantined: serves now, or will. */
  get isUsable(): boolean {
    return this.#standing.kind === 'good';
  }

  /** Accounts with the same key are good for the same questions. */
  get limitKey(): string {
    return this.#limits.key;
  }

  get limits(): readonly ModelLimit[] {
    return this.#limits.list;
  }

  /** What keeps it from serving the model for a while; null: nothing. */
  limitFor(model: string): ModelLimit | null {
    return this.#limits.find(model);
  }

  /** Its token, as long as it is good; null: whoever takes the account must fetch one first. */
  accessAt(nowMs: number): AccessToken | null {
    const expiresMs = this.#access?.expiresMs ?? null;
    return expiresMs !== null && expiresMs <= nowMs ? null : this.#access;
  }

  needsRefresh(nowMs: number): boolean {
    return this.#credential.kind === 'refresh' && this.accessAt(nowMs) === null;
  }

  hasRoom(nowMs: number): boolean {
    return this.#inFlight < this.#allowance.concurrency && this.#allowance.pausedUntilMs <= nowMs;
  }

  /** When something ends by itself: a limit, a pause, a token. Infinity: nothing will. */
  changesMs(nowMs: number): number {
    const ends = [this.#limits.endsMs, this.#allowance.pausedUntilMs, this.#access?.expiresMs ?? Infinity];
    return Math.min(...ends.map((endMs) => (endMs > nowMs ? endMs : Infinity)));
  }

  /** Forgets limits that are over. */
  settle(nowMs: number): void {
    this.#limits.settle(nowMs);
  }

  begin(nowMs: number): void {
    this.#inFlight += 1;
    this.#lastUsedMs = nowMs;
  }

  /** Nothing was asked. */
  giveBack(): void {
    this.#inFlight -= 1;
  }

  /** Null: it went well. */
  end(failure: ChatError | null, use: Use, nowMs: number): void {
    this.#inFlight -= 1;
    this.#lastUsedMs = nowMs;
    if (failure === null) this.#succeed(nowMs);
    else this.#fail(failure, use, nowMs);
  }

  refreshed(access: AccessToken): void {
    this.#access = access;
    this.#isFresh = true;
    this.#refreshTrouble = null;
    if (this.#standing.kind === 'quarantined') this.#standing = GOOD;
  }

  /** The exchange replaced the refresh token. */
  rotated(refreshToken: string): void {
    if (this.#credential.kind === 'refresh') this.#credential = { ...this.#credential, token: refreshToken };
  }

  /** `transient`: the exchange could not be asked, which tells nothing; `refused`: the grant is no good any more. */
  refreshFailed(kind: 'transient' | 'refused', reason: string, nowMs: number): void {
    this.#refreshTrouble = reason;
    if (kind === 'refused') this.#quarantine(reason, nowMs);
  }

  /** @param token that was refused; null: of a refresh credential, the one that was fetched last */
  refused({ account, message }: ChatError, token: string | null, nowMs: number): void {
    if (this.#standing.kind === 'disabled') return;
    if (account === 'deactivated') {
      this.#standing = { kind: 'disabled', by: 'upstream', reason: message, sinceMs: nowMs };
    } else if (this.#credential.kind === 'access') {
      if (token === null || token === this.#credential.token) this.#quarantine(message, nowMs);
    } else if (this.#access !== null && (token === null || token === this.#access.token)) {
      // A token that comes straight from the exchange and is refused: the next would be, too.
      if (this.#isFresh) this.#quarantine(message, nowMs);
      this.#access = null;
      this.#isFresh = false;
    }
  }

  /** Null as long as nobody knows. */
  learnPlan(plan: string | null): void {
    if (plan !== null) this.#plan = plan;
  }

  /** The same account, brought anew: what of its standing counts on is in the record. */
  renew(record: AccountRecord): void {
    this.#credential = record.credential;
    if (record.access !== null) this.#access = record.access;
    this.#plan = record.plan ?? this.#plan;
    this.#isFresh = false;
    this.#refreshTrouble = null;
    this.#standing = record.standing;
  }

  disable(reason: string, nowMs: number): void {
    this.#standing = { kind: 'disabled', by: 'operator', reason, sinceMs: nowMs };
  }

  enable(): void {
    if (this.#standing.kind === 'disabled') this.#standing = GOOD;
  }

  /** By the operator, whose own word stands: what he disabled stays so. */
  clearErrors(nowMs: number): void {
    const standing = this.#standing;
    if (standing.kind !== 'disabled' || standing.by === 'upstream') this.#standing = GOOD;
    this.#limits.clear();
    this.#allowance = new Allowance(this.#rules.concurrency, null, nowMs);
    this.#refreshTrouble = null;
    this.#isFresh = false;
    this.#failed = 0;
    this.#lastFailure = null;
  }

  state(nowMs: number): AccountState {
    if (this.#standing.kind !== 'good') return this.#standing.kind;
    if (this.#limits.find(null) !== null) return 'cooling';
    if (this.needsRefresh(nowMs)) return 'needs_refresh';
    return this.hasRoom(nowMs) ? 'ready' : 'busy';
  }

  view(nowMs: number): AccountView {
    const state = this.state(nowMs);
    return {
      id: this.id,
      kind: this.#credential.kind,
      workspace: this.#credential.accountId,
      state,
      reason: this.reason(nowMs),
      untilMs: state === 'cooling' || state === 'busy' ? this.#endsMs(nowMs) : null,
      plan: this.#plan,
      limits: this.#limits.list,
      inFlight: this.#inFlight,
      concurrency: this.#allowance.concurrency,
      succeeded: this.#succeeded,
      failed: this.#failed,
      lastFailure: this.#lastFailure,
      lastUsedMs: this.#lastUsedMs,
      addedMs: this.#addedMs,
      tokenExpiresMs: this.#access?.expiresMs ?? null,
    };
  }

  /** What must survive a restart. Holds the account's secrets. */
  record(): AccountRecord {
    return {
      id: this.id,
      credential: this.#credential,
      addedMs: this.#addedMs,
      access: this.#access,
      standing: this.#standing,
      plan: this.#plan,
      limits: this.#limits.list,
      concurrency: this.#allowance.learned,
    };
  }

  /** Why it is in its state, in words. */
  reason(nowMs: number): string | null {
    if (this.#standing.kind !== 'good') return this.#standing.reason;
    switch (this.state(nowMs)) {
      case 'cooling':
        return this.#limits.find(null)?.reason ?? null;
      case 'needs_refresh':
        return this.#refreshTrouble;
      case 'busy':
        return this.#allowance.pausedUntilMs > nowMs ? 'upstream: one message at a time' : null;
      default:
        return null;
    }
  }

  #endsMs(nowMs: number): number | null {
    const limit = this.#limits.find(null);
    const { pausedUntilMs } = this.#allowance;
    return limit?.untilMs ?? (pausedUntilMs > nowMs ? pausedUntilMs : null);
  }

  #succeed(nowMs: number): void {
    this.#succeeded += 1;
    this.#isFresh = false;
    this.#limits.relax();
    this.#allowance.succeeded(nowMs);
  }

  #fail(failure: ChatError, use: Use, nowMs: number): void {
    if (COUNTED.has(failure.fault)) {
      this.#failed += 1;
      this.#lastFailure = { code: failure.code, atMs: nowMs };
    }
    if (failure.code === 'rate_limit_exceeded') this.#limited(failure, use.model, nowMs);
    if (failure.code === 'account_unauthorized') this.refused(failure, use.token, nowMs);
  }

  #limited({ limit, retryAfterS }: ChatError, model: string, nowMs: number): void {
    if (limit === 'concurrency') this.#allowance.refused(nowMs);
    else if (limit !== null && this.#rules.honoursLimits) {
      this.#limits.add(limit === 'model' ? model : null, retryAfterS, nowMs);
    }
  }

  #quarantine(reason: string, nowMs: number): void {
    if (this.#standing.kind === 'good') this.#standing = { kind: 'quarantined', reason, sinceMs: nowMs };
  }
}
