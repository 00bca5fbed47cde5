import type {
  AccountState,
  AccountView,
  Desk,
  KeyChange,
  KeyView,
  LineVerdict,
  NodeView,
  Summary,
} from '../../src/admin/desk.ts';

const STATES: readonly AccountState[] = [
  'ready',
  'busy',
  'cooling',
  'needs_refresh',
  'quarantined',
  'disabled',
];

/** A desk of a few lists; remembers what it was asked to do. */
export class FakeDesk implements Desk {
  readonly calls: string[] = [];
  readonly imported: string[] = [];
  nodes: { exits: readonly NodeView[]; gateways: readonly NodeView[] } = { exits: [], gateways: [] };
  waiting = 0;
  /** Gives each account as a new object each time it is asked. */
  copies = false;
  #accounts = new Map<string, AccountView>();
  #keys = new Map<string, KeyView>();

  accounts(): readonly AccountView[] {
    const accounts = [...this.#accounts.values()];
    return this.copies ? accounts.map((account) => ({ ...account })) : accounts;
  }

  put(...accounts: readonly AccountView[]): void {
    for (const account of accounts) this.#accounts.set(account.id, account);
  }

  change(id: string, change: Partial<AccountView>): void {
    const account = this.#accounts.get(id);
    if (account) this.#accounts.set(id, { ...account, ...change });
  }

  putKey(key: Partial<KeyView> & { readonly id: string }): void {
    this.#keys.set(key.id, { ...KEY, ...key });
  }

  /** A line that holds `bad` is rejected; one that is there already is known. */
  async importAccounts(text: string): Promise<readonly LineVerdict[]> {
    this.imported.push(text);
    return text.split(/\r?\n/).flatMap((line, i) => this.#importLine(line.trim(), i + 1));
  }

  async removeAccount(id: string): Promise<boolean> {
    this.calls.push('remove');
    return this.#accounts.delete(id);
  }

  async removeAllAccounts(): Promise<number> {
    const count = this.#accounts.size;
    this.#accounts.clear();
    return count;
  }

  async setEnabled(id: string, enabled: boolean): Promise<boolean> {
    return this.#do(enabled ? 'enable' : 'disable', id, { state: enabled ? 'ready' : 'disabled' });
  }

  async clearErrors(id: string): Promise<boolean> {
    return this.#do('clear', id, { limits: [], lastFailure: null });
  }

  async refresh(id: string): ReturnType<Desk['refresh']> {
    if (!this.#do('refresh', id, {})) return null;
    return { ok: false, code: 'account_unauthorized', message: 'The refresh token is no longer valid.' };
  }

  async check(id: string): ReturnType<Desk['check']> {
    return this.#do('check', id, {})
      ? { ok: true, code: null, message: 'Upstream knows the account.' }
      : null;
  }

  keys(): readonly KeyView[] {
    return [...this.#keys.values()];
  }

  async addKey(
    name: string,
    limits: Pick<KeyView, 'requestsPerMinute' | 'concurrentStreams'>,
  ): ReturnType<Desk['addKey']> {
    const view: KeyView = { ...KEY, ...limits, id: `key${this.#keys.size + 1}`, name, source: 'admin' };
    this.#keys.set(view.id, view);
    return { key: `sk-made-${view.id}`, view };
  }

  async changeKey(id: string, change: KeyChange): Promise<boolean> {
    const key = this.#keys.get(id);
    if (key) this.#keys.set(id, { ...key, ...change });
    return key !== undefined;
  }

  async removeKey(id: string): Promise<boolean> {
    return this.#keys.delete(id);
  }

  exits(): readonly NodeView[] {
    return this.nodes.exits;
  }

  gateways(): readonly NodeView[] {
    return this.nodes.gateways;
  }

  summary(): Summary {
    const accounts = { ready: 0, busy: 0, cooling: 0, needs_refresh: 0, quarantined: 0, disabled: 0 };
    let inFlight = 0;
    for (const account of this.#accounts.values()) {
      accounts[account.state] += 1;
      inFlight += account.inFlight;
    }
    return { accounts, inFlight, waiting: this.waiting };
  }

  #do(name: string, id: string, change: Partial<AccountView>): boolean {
    this.calls.push(name);
    this.change(id, change);
    return this.#accounts.has(id);
  }

  #importLine(line: string, number: number): LineVerdict[] {
    if (line === '' || line.startsWith('#')) return [];
    if (line.includes('bad')) {
      const message = 'The line is neither an access token nor a refresh token.';
      return [{ line: number, outcome: 'rejected', id: null, message }];
    }
    const id = Buffer.from(line).toString('hex').slice(0, 12).padStart(12, '0');
    const outcome = this.#accounts.has(id) ? 'known' : 'added';
    this.put(account(id));
    return [{ line: number, outcome, id, message: 'An access token.' }];
  }
}

const KEY: KeyView = {
  id: '',
  name: 'unnamed',
  source: 'environment',
  requestsPerMinute: null,
  concurrentStreams: null,
  inFlight: 0,
  waiting: 0,
  requests: 0,
  refused: 0,
};

export function account(id: string, change: Partial<AccountView> = {}): AccountView {
  return {
    id,
    kind: 'access',
    workspace: null,
    state: 'ready',
    reason: null,
    untilMs: null,
    plan: 'plus',
    limits: [],
    inFlight: 0,
    concurrency: 2,
    succeeded: 0,
    failed: 0,
    lastFailure: null,
    lastUsedMs: null,
    addedMs: 1_700_000_000_000,
    tokenExpiresMs: null,
    ...change,
  };
}

function node(name: string, change: Partial<NodeView> = {}): NodeView {
  return {
    name,
    state: 'well',
    untilMs: null,
    reason: null,
    inFlight: 0,
    latencyMs: 120,
    succeeded: 10,
    failed: 0,
    ejections: 0,
    ...change,
  };
}

/** An installation as it may look on a busy day. */
export function busyDesk(nowMs: number): FakeDesk {
  const desk = new FakeDesk();
  desk.waiting = 3;
  desk.put(...STATES.flatMap((state, i) => [0, 1, 2].map((n) => sample(state, i * 3 + n, nowMs))));
  desk.nodes = {
    gateways: [
      node('chatgpt.com', { inFlight: 11, succeeded: 4821, failed: 37, latencyMs: 412 }),
      node('gateway.example.com', { state: 'slow_start', inFlight: 1, latencyMs: 655, ejections: 2 }),
    ],
    exits: [
      node('proxy-1.example.net:3128', { inFlight: 6, succeeded: 2410, failed: 12, latencyMs: 388 }),
      node('proxy-2.example.net:1080', {
        state: 'ejected',
        reason: 'upstream_challenge',
        untilMs: nowMs + 95_000,
        succeeded: 902,
        failed: 64,
        ejections: 3,
      }),
    ],
  };
  desk.putKey({ id: 'a91f03c2d4e5', name: 'AUTHORIZATION, 1st', requests: 8124, inFlight: 4 });
  desk.putKey({
    id: '5b7c11e09f3a',
    name: 'Reading room',
    source: 'admin',
    requestsPerMinute: 60,
    concurrentStreams: 4,
    requests: 377,
    refused: 9,
  });
  return desk;
}

const DETAILS: Readonly<Record<AccountState, (nowMs: number) => Partial<AccountView>>> = {
  ready: () => ({}),
  busy: () => ({ inFlight: 2 }),
  cooling: (nowMs) => ({
    untilMs: nowMs + 5_400_000,
    reason: "upstream's limit for gpt-4o",
    limits: [{ model: 'gpt-4o', untilMs: nowMs + 5_400_000, reason: 'You have reached your limit.' }],
    lastFailure: { code: 'rate_limit_exceeded', atMs: nowMs - 240_000 },
  }),
  needs_refresh: (nowMs) => ({
    kind: 'refresh',
    tokenExpiresMs: nowMs - 60_000,
    reason: 'the access token has expired',
  }),
  quarantined: (nowMs) => ({
    reason: 'upstream refused the token',
    lastFailure: { code: 'account_unauthorized', atMs: nowMs - 7_300_000 },
  }),
  disabled: () => ({ reason: 'by the operator' }),
};

function sample(state: AccountState, i: number, nowMs: number): AccountView {
  const id = (0x7c3a91d2e4f5 - i * 0x1111_2357_21).toString(16).padStart(12, '0');
  return account(id, {
    state,
    plan: ['plus', 'team', 'free'][i % 3] ?? null,
    workspace: i % 3 === 1 ? '1f6b2c4e-90ab' : null,
    succeeded: 1200 - i * 47,
    failed: i * 3,
    lastUsedMs: nowMs - i * 60_000,
    tokenExpiresMs: nowMs + 7 * 86_400_000,
    ...DETAILS[state](nowMs),
  });
}
