import { createPool } from '../../../src/accounts/pool.ts';
import type { AccountRecord } from '../../../src/accounts/records.ts';
import { hold } from '../../_util/contest.ts';
import type { Contestant } from '../../_util/contest.ts';
import type { Report } from '../../_util/report.ts';
import type { Row } from '../../_util/table.ts';
import { PlainPool } from './plain-pool.ts';
import type { PlainAsk, PlainLease } from './plain-pool.ts';

const ACCOUNTS = 10_000;
const LIMITED = 1_000;
const WAITING = 10_000;
const KEYS = 100;
const ROUNDS = 100;
const MODEL = 'gpt-4o';
/** No bench takes so long. */
const LONG_MS = 1e9;

/** What both pools have in common. */
interface Leaser {
  lease(ask: PlainAsk, signal: AbortSignal): Promise<PlainLease>;
}

/** What an account costs among 10,000: to take and give back, and to pass on when 10,000 wait. */
export async function benchPool(): Promise<Report> {
  const rows = [
    ...(await benchLease('10,000 accounts', 0)),
    ...(await benchLease('1,000 of them limited for the model', LIMITED)),
    ...(await benchHandOver()),
  ];
  return { title: 'accounts: one lease and release; one hand-over to the next who waits', rows };
}

async function benchLease(name: string, limited: number): Promise<Row[]> {
  const contestant = (way: string, pool: Leaser): Contestant<string[]> => ({
    name: way,
    run: () => leaseAndRelease(pool),
  });
  return hold({
    name,
    unit: 'lease',
    units: 'leases',
    unitsPerRun: ROUNDS,
    expected: Array.from({ length: ROUNDS }, (_, at) => `a${limited + at}`),
    floor: contestant('a promise', promises()),
    baseline: contestant('a scan over all accounts', plainPool(limited)),
    ours: [contestant('the pool', ourPool(limited))],
  });
}

async function leaseAndRelease(pool: Leaser): Promise<string[]> {
  const ids: string[] = [];
  const { signal } = new AbortController();
  for (let at = 0; at < ROUNDS; at += 1) {
    const lease = await pool.lease({ keyId: 'k0', model: MODEL }, signal);
    ids.push(lease.id);
    lease.release(null);
  }
  return ids;
}

async function benchHandOver(): Promise<Row[]> {
  const contestant = async (way: string, pool: Leaser): Promise<Contestant<string[]>> => ({
    name: way,
    run: await handOver(pool),
  });
  return hold({
    name: '10,000 wait for 10,000 busy ones',
    unit: 'lease',
    units: 'leases',
    unitsPerRun: ROUNDS,
    expected: Array.from({ length: ROUNDS }, (_, at) => `k${at % KEYS}`),
    floor: { name: 'a promise', run: () => leaseAndRelease(promises()) },
    baseline: await contestant('a scan over all who wait', plainPool(0)),
    ours: [await contestant('the pool', ourPool(0))],
  });
}

/** All are busy and many wait, half of them for one key; whoever was served comes again. */
async function handOver(pool: Leaser): Promise<() => Promise<string[]>> {
  const running: PlainLease[] = [];
  const first = { keyId: 'first', model: MODEL };
  const { signal } = new AbortController();
  for (let at = 0; at < ACCOUNTS; at += 1) running.push(await pool.lease(first, signal));
  let onServed = (_again: () => void, _keyId: string): void => {};
  // A signal costs more than a hand-over: each is made once and used again.
  const queue = (keyId: string, own = new AbortController().signal): void => {
    void pool.lease({ keyId, model: MODEL }, own).then((lease) => {
      running.push(lease);
      onServed(() => queue(keyId, own), keyId);
    });
  };
  for (let key = 0; key < KEYS; key += 1) queue(`k${key}`);
  for (let at = KEYS; at < WAITING; at += 1) queue(at % 2 === 0 ? 'k0' : `k${at % KEYS}`);
  return async () => {
    const served: string[] = [];
    for (let at = 0; at < ROUNDS; at += 1) {
      const next = new Promise<() => void>((resolve) => {
        onServed = (again, keyId) => (served.push(keyId), resolve(again));
      });
      running.shift()?.release(null);
      (await next)();
    }
    return served;
  };
}

/** Gives everybody everything. */
function promises(): Leaser {
  const lease: PlainLease = { id: '', release: () => {} };
  return { lease: () => Promise.resolve(lease) };
}

function plainPool(limited: number): Leaser {
  return new PlainPool(ACCOUNTS, (at) => (at < limited ? [MODEL] : []));
}

function ourPool(limited: number): Leaser {
  const pool = createPool({
    concurrency: 1,
    honoursLimits: true,
    maxQueue: WAITING,
    queueTimeoutMs: LONG_MS,
    onChange: () => {},
    onTransition: () => {},
  });
  for (let at = 0; at < ACCOUNTS; at += 1) pool.add(toRecord(at, at < limited));
  return {
    lease: ({ keyId, model }, signal) => pool.lease({ keyId, model, prefer: null, avoid: [] }, signal),
  };
}

function toRecord(at: number, isLimited: boolean): AccountRecord {
  return {
    id: `a${at}`,
    credential: { kind: 'access', token: `token-${at}`, accountId: null },
    addedMs: 0,
    access: null,
    standing: { kind: 'good' },
    plan: null,
    limits: isLimited ? [{ model: MODEL, untilMs: Date.now() + LONG_MS, reason: 'bench' }] : [],
    concurrency: null,
  };
}
