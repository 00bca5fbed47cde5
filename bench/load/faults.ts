import { setTimeout as sleep } from 'node:timers/promises';
import { createRetryBudget, retryDelayMs } from '../../src/chat/retry.ts';
import type { RetryBudget } from '../../src/chat/retry.ts';
import { ChatError, toChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Exchange } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';
import type { Exits } from '../../src/outbound/exits.ts';
import { timedSend } from '../../src/outbound/timed-send.ts';
import type { Way, WayAsk, WayLease } from '../../src/outbound/way.ts';
import { createWays } from '../../src/outbound/ways.ts';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startChild } from './child.ts';

/** How attempts find their way out. */
interface Contestant {
  readonly name: string;
  /** Which of the proxies it has. */
  readonly proxies: readonly string[];
  readonly open: (exits: Exits, origin: string) => Picking;
  readonly budget: RetryBudget;
}

interface Picking {
  readonly pick: (ask: WayAsk) => WayLease;
  readonly observe: (way: Way, latencyMs: number) => void;
}

interface Tally {
  readonly answeredMs: number[];
  requests: number;
  attempts: number;
  wasted: number;
}

const CLIENTS = 40;
const SECONDS = 10;
const PAUSE_MS = 40;
const RETRY_TIMES = 3;
const TIMEOUT_MS = 10_000;
const now = (): number => performance.now();

/** Five proxies, of which two are dead, one is slow, one flaps and one is good: what do requests notice of it? */
export async function benchFaults(): Promise<Report> {
  const child = await startChild('./faulty-proxies.js', {});
  try {
    const origin = `http://127.0.0.1:${child.port}`;
    const proxies = (await (await fetch(`${origin}/proxies`)).json()) as string[];
    const bound = createRetryBudget();
    const boundless = createRetryBudget({ share: 1, min: Infinity });
    const good = proxies.slice(-1);
    const contestants: Contestant[] = [
      { name: 'the good proxy alone (floor)', proxies: good, open: roundRobin, budget: bound },
      { name: 'in turn (baseline)', proxies, open: roundRobin, budget: boundless },
      { name: 'in turn, retries within the budget', proxies, open: roundRobin, budget: bound },
      { name: 'by health, retries within the budget', proxies, open: byHealth, budget: bound },
    ];
    const driven: { name: string; tally: Tally }[] = [];
    for (const contestant of contestants) {
      driven.push({ name: contestant.name, tally: await drive(contestant, origin) });
    }
    const [floor, baseline] = driven;
    if (floor === undefined || baseline === undefined) throw new Error('nothing was driven');
    return {
      title: 'two of five outbound proxies dead, one slow, one flapping, one good; all share the cores',
      rows: driven.map(({ name, tally }) => toRow(name, tally, floor.tally, baseline.tally)),
    };
  } finally {
    child.stop();
  }
}

function roundRobin(exits: Exits, origin: string): Picking {
  return {
    pick: () => ({ way: { origin, exit: exits.pick() }, release: () => {} }),
    observe: () => {},
  };
}

function byHealth(exits: Exits, origin: string): Picking {
  const names = new Set<string>();
  for (let exit = exits.pick(); !names.has(exit); exit = exits.pick()) names.add(exit);
  const ways = createWays({
    exits: [...names],
    gateways: [origin],
    nowMs: now,
    random: Math.random,
    onEvent: () => {},
  });
  return { pick: (ask) => ways.pick(ask), observe: (way, ms) => ways.observe(way, ms) };
}

async function drive({ proxies, open, budget }: Contestant, origin: string): Promise<Tally> {
  const exits = createExits({ proxies, connectTimeoutMs: 5_000 });
  const picking = open(exits, origin);
  const send = timedSend((...call) => exits.send(...call), picking.observe, now);
  const exchange = createExchange({ send });
  const tally: Tally = { answeredMs: [], requests: 0, attempts: 0, wasted: 0 };
  const endsAt = now() + SECONDS * 1_000;

  async function request(): Promise<void> {
    const beganMs = now();
    const leave = budget.enter();
    const avoid: Way[] = [];
    let endRetry = (): void => {};
    tally.requests += 1;
    for (let attempt = 1; ; attempt += 1) {
      const lease = picking.pick({ prefer: null, avoid });
      tally.attempts += 1;
      const failure = await ask(exchange, lease.way);
      lease.release(failure);
      endRetry();
      if (failure === null) tally.answeredMs.push(now() - beganMs);
      const permit = failure === null ? null : permitFor(failure, attempt);
      if (permit === null) break;
      avoid.push(lease.way);
      endRetry = permit.end;
      await sleep(permit.delayMs);
    }
    leave();
  }

  function permitFor(failure: ChatError, attempt: number): { delayMs: number; end: () => void } | null {
    tally.wasted += 1;
    const delayMs = retryDelayMs(failure, {
      attempt,
      retryTimes: RETRY_TIMES,
      hasOtherAccount: false,
      leftMs: Infinity,
      isKept: false,
      asked: true,
      opened: false,
      random: Math.random,
    });
    const end = delayMs === null ? null : budget.take();
    return delayMs === null || end === null ? null : { delayMs, end };
  }

  async function runClient(): Promise<void> {
    await sleep(Math.random() * PAUSE_MS);
    while (now() < endsAt) {
      await request();
      await sleep(PAUSE_MS);
    }
  }

  await Promise.all(Array.from({ length: CLIENTS }, runClient));
  await exits.destroy();
  return tally;
}

/** Null: answered. */
async function ask(exchange: Exchange, way: Way): Promise<ChatError | null> {
  const call = { ...way, method: 'GET', path: '/', headers: {}, body: null } as const;
  try {
    const signal = new AbortController().signal;
    const answer = await exchange({ ...call, timeoutMs: TIMEOUT_MS, step: 'the bench' }, signal);
    if (answer.text !== 'answer') throw new Error('the answer arrived changed');
    return null;
  } catch (thrown) {
    const failure = toChatError(thrown);
    if (failure.code === 'internal_error') throw thrown;
    return failure;
  }
}

function toRow(name: string, tally: Tally, floor: Tally, baseline: Tally): Row {
  const failed = (of: Tally): number => 1 - of.answeredMs.length / of.requests;
  return {
    way: name,
    requests: tally.requests,
    'answered %': (1 - failed(tally)) * 100,
    'failed, × baseline': failed(tally) / failed(baseline),
    'attempts wasted per 1000': (tally.wasted / tally.requests) * 1_000,
    'p50 ms': quantile(tally, 0.5),
    'p99 ms': quantile(tally, 0.99),
    'added p50 ms': quantile(tally, 0.5) - quantile(floor, 0.5),
    'added p99 ms': quantile(tally, 0.99) - quantile(floor, 0.99),
  };
}

function quantile({ answeredMs }: Tally, share: number): number {
  const sorted = answeredMs.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}
