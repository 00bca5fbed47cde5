import type { AccountState, AccountView } from '../admin/desk.ts';
import type { ChatError } from '../errors.ts';
import type { AccountAsk, AccountLease } from './account-ask.ts';
import { Account } from './account.ts';
import type { AccountRules } from './account.ts';
import { Alarm, SYSTEM_CLOCK } from './alarm.ts';
import type { Clock } from './alarm.ts';
import * as refusals from './pool-refusals.ts';
import { RankedHeap } from './ranked-heap.ts';
import type { AccessToken, AccountRecord, TokenOwner } from './records.ts';
import { Roster, Slot } from './roster.ts';
import { WaitingRoom } from './waiting-room.ts';
import type { WaitingRoomOptions } from './waiting-room.ts';

export interface PoolOptions extends AccountRules, WaitingRoomOptions {
  /** What must survive a restart has changed. Must not call the pool. */
  readonly onChange: (record: AccountRecord) => void;
  /** For the log. Between ready and busy there is no transition. Must not call the pool. */
  readonly onTransition: (transition: Transition) => void;
  readonly clock?: Clock;
}

export interface Transition {
  readonly id: string;
  readonly from: AccountState;
  readonly to: AccountState;
  readonly reason: string | null;
}

const MAX_EARLIEST_KEPT = 64;

export function createPool(options: PoolOptions): AccountPool {
  return new AccountPool(options);
}

/**
 * The accounts and who has them. An ask gets the least busy account that serves its model, waits its
 * turn when all are busy, and is refused at once when waiting would not help.
 *
 * Nobody waits while an account that serves him has room: whatever gives an account room ends in
 * `#changed`, which hands it over.
 */
class AccountPool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #slots = new Map<string, Slot>();
  /** Removed ones that still serve: the same account, added again, must not have more at once than before. */
  readonly #leaving = new Map<string, Slot>();
  readonly #roster = new Roster();
  readonly #waiting: WaitingRoom;
  /** By when a limit, a pause or a token of theirs ends. */
  readonly #ends = new RankedHeap<Slot>();
  readonly #endAlarm: Alarm;
  readonly #queueAlarm: Alarm;
  /** When a model is served again, for models that nobody serves; found by a look at every account. */
  readonly #earliest = new Map<string, number>();
  #inFlight = 0;
  #isDraining = false;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#waiting = new WaitingRoom(options);
    const clock = options.clock ?? SYSTEM_CLOCK;
    const ring = (): void => this.#wake();
    this.#clock = clock;
    this.#endAlarm = new Alarm(clock.after, clock.nowMs, ring);
    this.#queueAlarm = new Alarm(clock.after, clock.elapsedMs, ring);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Neither disabled nor quarantined; those that cool are among them. */
  get usable(): number {
    return this.#roster.usable;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  waitingFor(keyId: string): number {
    return this.#waiting.waitingFor(keyId);
  }

  /**
   * Rejects with `rate_limit_exceeded` when all that could serve have reached a limit of upstream's, with
   * `account_unauthorized` when none can be used, with `conversation_not_found` when the account that
   * it must be is gone, with `proxy_overloaded` when the queue is full or the wait too long, with
   * `shutting_down` after `close` or, instead of waiting, after `drain`, or with the signal's reason.
   */
  lease(ask: AccountAsk, signal: AbortSignal): Promise<AccountLease> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#isClosed) return Promise.reject(refusals.poolClosed());
    this.#wake();
    const slot = this.#choose(ask);
    if (slot !== null) return Promise.resolve(this.#grant(slot, ask));
    const refusal =
      this.#hopeless(ask) ??
      (this.#isDraining ? refusals.poolClosed() : this.#waiting.makeRoomFor(ask.keyId));
    if (refusal !== null) return Promise.reject(refusal);
    const isLimited = this.#roster.isLimited(ask.model);
    const waited = this.#waiting.wait(ask, isLimited, this.#clock.elapsedMs(), signal);
    this.#askAlarms();
    return waited;
  }

  /** One that is known already gets the new credential, and the record's standing. */
  add(record: AccountRecord): 'added' | 'updated' {
    const known = this.#slots.get(record.id) ?? this.#leaving.get(record.id);
    if (known === undefined) {
      const slot = new Slot(new Account(record, this.#options, this.#clock.nowMs()), this.#clock.nowMs());
      this.#slots.set(record.id, slot);
      this.#changed(slot);
      return 'added';
    }
    known.isLeaving = false;
    this.#leaving.delete(record.id);
    this.#slots.set(record.id, known);
    known.account.renew(record);
    this.#changed(known);
    return 'updated';
  }

  /** Conversations that run on it end well. False: there is no such account; so for all that name one. */
  remove(id: string): boolean {
    return this.#change(id, (_account, slot) => {
      this.#slots.delete(id);
      slot.isLeaving = true;
      if (slot.account.inFlight > 0) this.#leaving.set(id, slot);
    });
  }

  enable(id: string): boolean {
    return this.#change(id, (account) => account.enable());
  }

  disable(id: string, reason: string): boolean {
    return this.#change(id, (account, _slot, nowMs) => account.disable(reason, nowMs));
  }

  clearErrors(id: string): boolean {
    return this.#change(id, (account, _slot, nowMs) => account.clearErrors(nowMs));
  }

  refreshed(id: string, access: AccessToken): boolean {
    return this.#change(id, (account) => account.refreshed(access));
  }

  /** @param reason shown to the operator: no secrets */
  refreshFailed(id: string, kind: 'transient' | 'refused', reason: string): boolean {
    return this.#change(id, (account, _slot, nowMs) => account.refreshFailed(kind, reason, nowMs));
  }

  learnPlan(id: string, plan: string | null): boolean {
    return this.#change(id, (account) => account.learnPlan(plan));
  }

  /** Upstream refused the account, or this access token of its, beside the chats. */
  refused(id: string, failure: ChatError, token: string): boolean {
    return this.#change(id, (account, _slot, nowMs) => account.refused(failure, token, nowMs));
  }

  /** The exchange replaced the refresh token. */
  rotated(id: string, refreshToken: string): boolean {
    return this.#change(id, (account) => account.rotated(refreshToken));
  }

  /** Null: there is no such account. */
  owner(id: string): TokenOwner | null {
    const account = this.#slots.get(id)?.account;
    return account === undefined ? null : this.#toOwner(account);
  }

  /** Accounts with refresh credentials that may be used. */
  *refreshable(): Iterable<TokenOwner> {
    for (const { account } of this.#slots.values()) {
      if (account.isUsable && account.credential.kind === 'refresh') yield this.#toOwner(account);
    }
  }

  /** Somebody to ask upstream as beside the chats; null: nobody can be used. */
  anyUsable(): string | null {
    for (const [id, { account }] of this.#slots) if (account.isUsable) return id;
    return null;
  }

  view(id: string): AccountView | null {
    this.#wake();
    return this.#slots.get(id)?.account.view(this.#clock.nowMs()) ?? null;
  }

  views(): AccountView[] {
    this.#wake();
    const nowMs = this.#clock.nowMs();
    return [...this.#slots.values()].map(({ account }) => account.view(nowMs));
  }

  counts(): Record<AccountState, number> {
    this.#wake();
    const nowMs = this.#clock.nowMs();
    const counts = { ready: 0, busy: 0, cooling: 0, needs_refresh: 0, quarantined: 0, disabled: 0 };
    for (const { account } of this.#slots.values()) counts[account.state(nowMs)] += 1;
    return counts;
  }

  /** Holds the account's secrets. */
  record(id: string): AccountRecord | null {
    return this.#slots.get(id)?.account.record() ?? null;
  }

  /** The account that would serve the model next, for a call beside the chats. Null: none has room. */
  peek(model: string): AccountRecord | null {
    this.#wake();
    return this.#roster.pick(model, [])?.account.record() ?? null;
  }

  /** Nobody waits any more: what runs may still go over to an account that is free. */
  drain(): void {
    this.#isDraining = true;
    this.#waiting.close();
  }

  /** Nobody waits any more, and nobody comes; conversations that run end well. */
  close(): void {
    this.#isClosed = true;
    this.drain();
    this.#endAlarm.stop();
    this.#queueAlarm.stop();
  }

  #toOwner(account: Account): TokenOwner {
    const { id, credential } = account;
    return { id, credential, access: account.accessAt(this.#clock.nowMs()) };
  }

  #choose({ model, prefer, avoid }: AccountAsk): Slot | null {
    const preferred = prefer === null ? undefined : this.#slots.get(prefer.id);
    if (preferred?.hasRoom === true && preferred.account.limitFor(model) === null) return preferred;
    return prefer?.strength === 'must' ? null : this.#roster.pick(model, avoid);
  }

  /** Why waiting would not help; null: it will. */
  #hopeless({ model, prefer }: AccountAsk): ChatError | null {
    if (prefer?.strength === 'must') return this.#homeless(prefer.id, model);
    if (this.#roster.serves(model)) return null;
    if (this.#roster.usable === 0) return refusals.noneUsable(this.#slots.size);
    return refusals.allLimited(this.#roster.usable, this.#earliestFor(model), this.#clock.nowMs());
  }

  #homeless(id: string, model: string): ChatError | null {
    const account = this.#slots.get(id)?.account;
    if (account === undefined) return refusals.homeGone();
    if (!account.isUsable) return refusals.homeUnusable();
    const limit = account.limitFor(model);
    return limit === null ? null : refusals.homeLimited(limit, this.#clock.nowMs());
  }

  #earliestFor(model: string): number {
    const known = this.#earliest.get(model);
    if (known !== undefined) return known;
    let earliestMs = Infinity;
    for (const { account } of this.#slots.values()) {
      const untilMs = account.isUsable ? account.limitFor(model)?.untilMs : undefined;
      earliestMs = Math.min(earliestMs, untilMs ?? Infinity);
    }
    if (this.#earliest.size >= MAX_EARLIEST_KEPT) this.#earliest.clear();
    this.#earliest.set(model, earliestMs);
    return earliestMs;
  }

  #grant(slot: Slot, ask: AccountAsk): AccountLease {
    const { account } = slot;
    const nowMs = this.#clock.nowMs();
    const { credential } = account;
    const access = account.accessAt(nowMs);
    const token = credential.kind === 'access' ? credential.token : (access?.token ?? null);
    account.begin(nowMs);
    this.#inFlight += 1;
    this.#roster.place(slot, nowMs);
    const hasOther = (): boolean => this.#hasOther(slot, ask);
    let isReleased = false;
    const end = (tellAccount: () => void): void => {
      if (isReleased) return;
      isReleased = true;
      this.#inFlight -= 1;
      tellAccount();
      if (slot.isLeaving && account.inFlight === 0) this.#leaving.delete(account.id);
      this.#changed(slot);
    };
    return {
      id: account.id,
      credential,
      access,
      get hasOther() {
        return hasOther();
      },
      release: (failure) => end(() => account.end(failure, { model: ask.model, token }, this.#clock.nowMs())),
      giveBack: () => end(() => account.giveBack()),
    };
  }

  #hasOther({ account, group }: Slot, { model, prefer }: AccountAsk): boolean {
    if (prefer?.strength === 'must') return false;
    const isServing = group !== null && account.limitFor(model) === null;
    return this.#roster.serving(model) > (isServing ? 1 : 0);
  }

  #change(id: string, change: (account: Account, slot: Slot, nowMs: number) => void): boolean {
    const slot = this.#slots.get(id);
    if (slot === undefined) return false;
    change(slot.account, slot, this.#clock.nowMs());
    this.#changed(slot);
    return true;
  }

  /** To be called after everything that happens to an account, except that it is leased. */
  #changed(slot: Slot): void {
    const { account } = slot;
    const nowMs = this.#clock.nowMs();
    account.settle(nowMs);
    const closing = account.limits.flatMap(({ model }) =>
      model === null || this.#roster.isLimited(model) ? [] : [model],
    );
    const before = slot.group;
    this.#roster.place(slot, nowMs);
    this.#watch(slot, slot.isLeaving ? Infinity : account.changesMs(nowMs));
    if (!slot.isLeaving) this.#tell(slot, nowMs);
    if (slot.group !== before) {
      this.#earliest.clear();
      this.#waiting.separate(closing);
      const serves = (model: string | null): boolean => this.#roster.serves(model);
      this.#waiting.dismissHopeless(account.id, serves, (ask) => this.#hopeless(ask));
    }
    this.#handOver(slot);
    this.#askAlarms();
  }

  #watch(slot: Slot, endsMs: number): void {
    if (endsMs === Infinity) this.#ends.remove(slot);
    else this.#ends.place(slot, endsMs);
  }

  #tell(slot: Slot, nowMs: number): void {
    const { account, told } = slot;
    const change = slot.look(nowMs);
    if (change.isDurable) this.#options.onChange(account.record());
    if (change.state === told) return;
    this.#options.onTransition({
      id: account.id,
      from: told,
      to: change.state,
      reason: account.reason(nowMs),
    });
  }

  #handOver(slot: Slot): void {
    while (slot.hasRoom) {
      const waiter = this.#waiting.takeFor(slot.account);
      if (waiter === null) return;
      waiter.resolve(this.#grant(slot, waiter.ask));
    }
  }

  /** Whatever time alone has changed. */
  #wake(): void {
    const nowMs = this.#clock.nowMs();
    for (let slot = this.#ends.top; slot !== null && slot.rank <= nowMs; slot = this.#ends.top) {
      this.#changed(slot);
    }
    this.#waiting.expire(this.#clock.elapsedMs());
    this.#askAlarms();
  }

  #askAlarms(): void {
    if (this.#waiting.size === 0) return;
    this.#queueAlarm.ask(this.#waiting.endsMs);
    this.#endAlarm.ask(this.#ends.top?.rank ?? Infinity);
  }
}

export type { AccountPool };
