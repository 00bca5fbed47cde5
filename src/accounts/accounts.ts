import type { ChatError } from '../errors.ts';
import type { Exchange } from '../outbound/exchange.ts';
import type { Ways } from '../outbound/ways.ts';
import { createAccessTokens } from './access-tokens.ts';
import type { AccessTokens, Renewal } from './access-tokens.ts';
import { Affinity } from './affinity.ts';
import { createCallerLimits } from './caller-limits.ts';
import { KeyGates } from './key-gates.ts';
import { readKeysFile } from './keys-file.ts';
import { createKeys } from './keys.ts';
import type { KeyRing } from './keys.ts';
import { createLeases } from './leases.ts';
import type { Leases } from './leases.ts';
import { importOriginal } from './original-files.ts';
import { createPool } from './pool.ts';
import type { AccountPool, Transition } from './pool.ts';
import { createRefreshSchedule } from './refresh-schedule.ts';
import type { RefreshSchedule } from './refresh-schedule.ts';
import { createRefresh } from './refresh.ts';
import { openStore } from './store.ts';
import type { Store } from './store.ts';
import { randomUuid } from '../random-ids.ts';

export interface AccountsOptions {
  /** DATA_DIR, DATA_KEY and KEYS_FILE. */
  readonly dataDir: string;
  readonly dataKey: string | null;
  readonly keysFile: string | null;
  /** AUTHORIZATION. */
  readonly authorization: readonly string[];
  /** ACCOUNT_CONCURRENCY and ENABLE_LIMIT. */
  readonly concurrency: number;
  readonly honoursLimits: boolean;
  /** MAX_QUEUE and QUEUE_TIMEOUT_MS, of those who wait for an account. */
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
  readonly oauthTokenUrl: string;
  readonly scheduledRefresh: boolean;
  readonly userAgent: string;
  readonly exchange: Exchange;
  readonly ways: Ways;
  /** In place of that in DATA_DIR, of which nothing is touched then. */
  readonly store?: Store | undefined;
  /** What the operator has to know, in words and without secrets. */
  readonly onNotice: (message: string) => void;
  readonly onTransition: (transition: Transition) => void;
}

/** All about who asks upstream: the pool and what it lives on. */
export interface Accounts {
  readonly keys: KeyRing;
  readonly gates: KeyGates;
  readonly pool: AccountPool;
  readonly tokens: AccessTokens;
  readonly store: Store;
  readonly leases: Leases;
  /** Takes over the original program's accounts, once, and begins to keep tokens fresh. Rejects with a StoreError. */
  begin(): Promise<void>;
  /** Resolves when everything is on the disk. Idempotent. */
  close(): Promise<void>;
}

/** Some 50 MB when full; a conversation that nobody continued for a day is unlikely to be. */
const MAX_CONVERSATIONS = 100_000;
const CONVERSATION_IDLE_MS = 24 * 3_600_000;

/** Throws StoreError when DATA_DIR or KEYS_FILE cannot be used. */
export function createAccounts(options: AccountsOptions): Accounts {
  const { dataDir, dataKey, onNotice, exchange, ways } = options;
  const nowMs = Date.now;
  const random = Math.random;
  const file = options.keysFile === null ? [] : readKeysFile(options.keysFile, nowMs());
  const store = options.store ?? openStore({ dataDir, dataKey, nowMs, onNotice });
  const keys = createKeys({ environment: options.authorization, file, records: store.keys() });
  const gates = new KeyGates(() => performance.now());
  for (const { id, limits } of keys.entries()) gates.set(id, limits);
  const pool = createPool({ ...options, onChange: (record) => store.note(record) });
  for (const record of store.accounts()) pool.add(record);
  const tokens = createAccessTokens({
    refresh: createRefresh({
      exchange,
      url: options.oauthTokenUrl,
      userAgent: options.userAgent,
      exit: () => anyExit(ways),
      nowMs,
      random,
    }),
    nowMs,
    random,
    onRefreshed: (id, renewal) => renewed(pool, id, renewal),
    onFailed: (id, failure) => failed(pool, id, failure),
  });
  const leases = createLeases({
    pool,
    tokens,
    ways,
    affinity: new Affinity({
      maxEntries: MAX_CONVERSATIONS,
      idleMs: CONVERSATION_IDLE_MS,
      nowMs: () => performance.now(),
    }),
    callerLimits: createCallerLimits({ honoursLimits: options.honoursLimits, nowMs }),
    newId: randomUuid,
  });
  let schedule: RefreshSchedule | null = null;
  let closing: Promise<void> | null = null;
  return {
    keys,
    gates,
    pool,
    tokens,
    store,
    leases,
    async begin() {
      if (options.store === undefined) await importOriginal({ dataDir, store, nowMs, onNotice });
      for (const record of store.accounts()) if (pool.owner(record.id) === null) pool.add(record);
      const owners = (): ReturnType<AccountPool['refreshable']> => pool.refreshable();
      if (options.scheduledRefresh) schedule = createRefreshSchedule({ owners, tokens, nowMs, random });
    },
    close() {
      schedule?.close();
      pool.close();
      return (closing ??= store.close());
    },
  };
}

function anyExit(ways: Ways): string {
  const { way, release } = ways.pick({ prefer: null, avoid: [] });
  release('unused');
  return way.exit;
}

function renewed(pool: AccountPool, id: string, { access, refreshToken, plan }: Renewal): void {
  pool.refreshed(id, access);
  pool.learnPlan(id, plan);
  if (refreshToken !== null) pool.rotated(id, refreshToken);
}

function failed(pool: AccountPool, id: string, failure: ChatError): void {
  const kind = failure.code === 'account_unauthorized' ? 'refused' : 'transient';
  pool.refreshFailed(id, kind, failure.message);
}
