import type { ChatError } from '../errors.ts';
import type { AccountAsk, AccountLease } from './account-ask.ts';
import type { Account } from './account.ts';
import { FairQueue } from './fair-queue.ts';
import type { Ticket } from './fair-queue.ts';
import { crowdedOut, poolClosed, queueFull, waitedTooLong } from './pool-refusals.ts';

export interface WaitingRoomOptions {
  /** Requests that may wait for an account; beyond them 503. */
  readonly maxQueue: number;
  /** The longest wait of one; then 503. */
  readonly queueTimeoutMs: number;
}

interface Waiter {
  readonly ask: AccountAsk;
  readonly endsMs: number;
  resolve(lease: AccountLease): void;
  reject(reason: unknown): void;
}

/** Why waiting would not help; null: it will. */
type Hopeless = (ask: AccountAsk) => ChatError | null;

/** For those that any account serves that serves at all. */
const COMMON_LANE = '*';

/**
 * Who waits for an account, with a limit to how many and how long. Those with different chances wait in
 * different lanes: one for each conversation's home, one for each model that some account cannot serve,
 * and one for all others, so that there are few, whatever models clients name. Each that waits ends
 * once: served, dismissed, out of time, or gone.
 */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #queue = new FairQueue<Waiter>();
  readonly #modelLanes = new Map<string, string>();

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** When somebody's time is up next. */
  get endsMs(): number {
    return this.#queue.oldest?.value.endsMs ?? Infinity;
  }

  waitingFor(keyId: string): number {
    return this.#queue.waitingFor(keyId);
  }

  /** When all is full, the key that has the most here gives up its newest for one that has less. */
  makeRoomFor(keyId: string): ChatError | null {
    const { maxQueue } = this.#options;
    if (this.#queue.size < maxQueue) return null;
    const newest = this.#queue.newestOfLongest;
    const longest = newest === null ? 0 : this.#queue.waitingFor(newest.value.ask.keyId);
    if (newest === null || longest <= this.#queue.waitingFor(keyId) + 1) return queueFull(maxQueue);
    this.#dismiss(newest, crowdedOut(maxQueue));
    return null;
  }

  /** @param isLimited some account does not serve the model */
  wait(ask: AccountAsk, isLimited: boolean, elapsedMs: number, signal: AbortSignal): Promise<AccountLease> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queue.remove(ticket);
        reject(signal.reason as Error);
      };
      const settled = (): void => signal.removeEventListener('abort', leave);
      const waiter: Waiter = {
        ask,
        endsMs: elapsedMs + this.#options.queueTimeoutMs,
        resolve: (lease) => (settled(), resolve(lease)),
        reject: (reason) => (settled(), reject(reason as Error)),
      };
      const ticket = this.#queue.add(this.#laneFor(ask, isLimited), ask.keyId, waiter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** Who is next of those that the account serves; he waits no more. */
  takeFor(account: Account): Waiter | null {
    return this.#queue.size === 0 ? null : this.#queue.take(this.#lanesServedBy(account));
  }

  /** Models that not everybody serves any more. */
  separate(models: readonly string[]): void {
    if (models.length === 0) return;
    for (const ticket of this.#queue.inLane(COMMON_LANE)) {
      const { model } = ticket.value.ask;
      if (models.includes(model)) this.#queue.move(ticket, this.#modelLane(model));
    }
  }

  /**
   * After an account came to serve less: dismisses those for whom nothing is left to wait for.
   * @param serves does anybody? null: some model at least
   */
  dismissHopeless(id: string, serves: (model: string | null) => boolean, hopeless: Hopeless): void {
    if (this.#queue.size === 0) return;
    this.#dismissLane(homeLane(id), hopeless);
    if (!serves(null)) this.#dismissLane(COMMON_LANE, hopeless);
    for (const [lane, model] of this.#modelLanes) {
      if (!serves(model)) this.#dismissLane(lane, hopeless);
    }
  }

  /** Dismisses those whose time is up. */
  expire(elapsedMs: number): void {
    for (
      let { oldest } = this.#queue;
      oldest !== null && oldest.value.endsMs <= elapsedMs;
      { oldest } = this.#queue
    ) {
      this.#dismiss(oldest, waitedTooLong(this.#options.queueTimeoutMs));
    }
  }

  close(): void {
    for (let { oldest } = this.#queue; oldest !== null; { oldest } = this.#queue) {
      this.#dismiss(oldest, poolClosed());
    }
  }

  #laneFor({ model, prefer }: AccountAsk, isLimited: boolean): string {
    if (prefer?.strength === 'must') return homeLane(prefer.id);
    return isLimited ? this.#modelLane(model) : COMMON_LANE;
  }

  #modelLane(model: string): string {
    const lane = `~${model}`;
    this.#modelLanes.set(lane, model);
    return lane;
  }

  *#lanesServedBy(account: Account): Generator<string> {
    yield homeLane(account.id);
    yield COMMON_LANE;
    for (const [lane, model] of this.#modelLanes) {
      if (!this.#queue.has(lane)) this.#modelLanes.delete(lane);
      else if (account.limitFor(model) === null) yield lane;
    }
  }

  #dismissLane(lane: string, hopeless: Hopeless): void {
    for (const ticket of this.#queue.inLane(lane)) {
      const refusal = hopeless(ticket.value.ask);
      if (refusal !== null) this.#dismiss(ticket, refusal);
    }
  }

  #dismiss(ticket: Ticket<Waiter>, reason: ChatError): void {
    this.#queue.remove(ticket);
    ticket.value.reject(reason);
  }
}

/** For conversations that live on one account. */
function homeLane(id: string): string {
  return `=${id}`;
}
