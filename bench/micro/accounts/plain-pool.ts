/** Who wants an account, and what for. */
export interface PlainAsk {
  readonly keyId: string;
  readonly model: string;
}

export interface PlainLease {
  readonly id: string;
  release(failure: null): void;
}

interface PlainAccount {
  readonly id: string;
  readonly closed: ReadonlySet<string>;
  inFlight: number;
  usedAt: number;
}

interface PlainWaiter {
  readonly ask: PlainAsk;
  readonly resolve: (lease: PlainLease) => void;
}

/** What somebody would write at first: the same choices, by a look at every account and everyone who waits. */
export class PlainPool {
  readonly #accounts: PlainAccount[];
  readonly #waiters: PlainWaiter[] = [];
  readonly #servedAt = new Map<string, number>();
  #count = 0;
  #idle: number;

  constructor(count: number, closedFor: (at: number) => readonly string[]) {
    this.#idle = count;
    this.#accounts = Array.from({ length: count }, (_, at) => ({
      id: `a${at}`,
      closed: new Set(closedFor(at)),
      inFlight: 0,
      usedAt: 0,
    }));
  }

  lease(ask: PlainAsk): Promise<PlainLease> {
    if (this.#idle === 0) return this.#wait(ask);
    let best: PlainAccount | null = null;
    for (const account of this.#accounts) {
      if (account.inFlight > 0 || account.closed.has(ask.model)) continue;
      if (best === null || account.usedAt < best.usedAt) best = account;
    }
    if (best !== null) return Promise.resolve(this.#grant(best));
    return this.#wait(ask);
  }

  #wait(ask: PlainAsk): Promise<PlainLease> {
    return new Promise((resolve) => this.#waiters.push({ ask, resolve }));
  }

  #grant(account: PlainAccount): PlainLease {
    account.inFlight += 1;
    this.#idle -= 1;
    account.usedAt = this.#count += 1;
    return { id: account.id, release: () => this.#release(account) };
  }

  #release(account: PlainAccount): void {
    account.inFlight -= 1;
    this.#idle += 1;
    account.usedAt = this.#count += 1;
    let next = -1;
    let nextTurn = Infinity;
    for (const [at, { ask }] of this.#waiters.entries()) {
      const turn = this.#servedAt.get(ask.keyId) ?? 0;
      if (account.closed.has(ask.model) || turn >= nextTurn) continue;
      next = at;
      nextTurn = turn;
    }
    const [waiter] = next === -1 ? [] : this.#waiters.splice(next, 1);
    if (waiter === undefined) return;
    this.#servedAt.set(waiter.ask.keyId, (this.#count += 1));
    waiter.resolve(this.#grant(account));
  }
}
