import { LOOP_PROBE_EVERY_MS } from '../../src/pressure.ts';
import type { Report } from '../_util/report.ts';
import { toSpread, toText } from '../_util/spread.ts';
import type { Row } from '../_util/table.ts';
import { hold } from './bed.ts';
import type { Bed, Trial } from './bed.ts';
import { Bystanders } from './bystanders.ts';
import type { Crowd } from './bystanders.ts';
import { rssBytes } from './process-usage.ts';
import type { LoadResult, Plan } from './protocol.ts';
import { startStand } from './stand.ts';
import { chat2api } from './ways.ts';

/** Those beside whom the live streams live. */
interface Neighbours {
  readonly name: string;
  readonly plan: Plan;
  readonly crowd: Omit<Crowd, 'port'>;
}

/** What one turn came to. */
interface Turn {
  readonly live: LoadResult;
  /** The p99 of the lateness of the server's timers meanwhile. */
  readonly loopDelayMs: number;
  /** By which the server grew with each neighbour; null: there was none. */
  readonly bytesEach: number | null;
}

const ROUNDS = 2;
const STOPPED = 1_000;
const LIVE = Number(process.env['LIVE'] ?? 1_000);
const BEGUN_PER_SECOND = 500;
const SETTLE_MS = 1_500;
const KIB = 1_024;
/** Nobody is cut while the bench looks. */
const SETTINGS = { SLOW_CLIENT_TIMEOUT_MS: '600000' };

/** More than the kernel keeps of an answer; the deltas are as long as those of the live. */
const FLOOD: Plan = { encoding: 'v1', deltas: 60_000, atOnce: 1, deltasPerSecond: null, isBatched: true };
/** 100,000 tokens, about. */
const HUGE_DELTAS = 107_500;
const HUGE: Plan = {
  encoding: 'v1',
  deltas: HUGE_DELTAS * 16,
  atOnce: 1,
  perEvent: HUGE_DELTAS,
  deltasPerSecond: 2,
  isBatched: false,
};
const REPEATED: Plan = {
  encoding: 'legacy',
  deltas: HUGE_DELTAS + 32,
  atOnce: HUGE_DELTAS,
  deltasPerSecond: 4,
  isBatched: false,
};

/** How live streams fare beside as many clients that never read a byte, and what each of those holds. */
export async function benchStopped(): Promise<Report> {
  const count = Number(process.env['STOPPED'] ?? STOPPED);
  const neighbours = {
    name: `${count} stopped readers`,
    plan: FLOOD,
    crowd: { count, isReading: false, body: question(false) },
  };
  const rows = await inTurns([null, neighbours], paced(LIVE, 1, 6_000));
  return { title: `${LIVE} live streams at 1 event/s`, rows };
}

/** How live streams fare beside one whose events are huge; another 50 ms between events are a stall. */
export async function benchHuge(): Promise<Report> {
  const one = (name: string, plan: Plan, withUsage: boolean): Neighbours => ({
    name,
    plan,
    crowd: { count: 1, isReading: true, body: question(withUsage) },
  });
  const all = [
    null,
    one('2 events/s of 100,000 tokens, v1', HUGE, false),
    one('the same with usage', HUGE, true),
    one('4 events/s that repeat 100,000 tokens, legacy', REPEATED, false),
  ];
  const rows = await inTurns(all, paced(50, 20, 4_000));
  return { title: '50 live streams at 20 events/s, one of 50 ms each', rows };
}

function question(withUsage: boolean): string {
  return JSON.stringify({
    model: 'gpt-4o-mini',
    stream: true,
    messages: [{ role: 'user', content: 'Say something long about proxies.' }],
    ...(withUsage && { stream_options: { include_usage: true } }),
  });
}

/** So many streams, begun one after the other, that go on until the window has closed. */
export function paced(streams: number, perSecond: number, windowMs: number): Trial {
  const rampMs = (streams / BEGUN_PER_SECOND) * 1_000;
  const fromMs = rampMs + SETTLE_MS;
  const toMs = fromMs + windowMs;
  return {
    deltas: Math.ceil(((toMs + SETTLE_MS) / 1_000) * perSecond) + 1,
    deltasPerSecond: perSecond,
    arrivals: { kind: 'open', perSecond: BEGUN_PER_SECOND, forMs: rampMs },
    window: { fromMs, toMs },
    patienceMs: toMs - rampMs + 100,
  };
}

/** Each alone and beside the others in turn, on one server; null: alone. */
async function inTurns(all: readonly (Neighbours | null)[], trial: Trial): Promise<readonly Row[]> {
  const rounds = Number(process.env['BENCH_RUNS'] ?? ROUNDS);
  const stand = await startStand();
  try {
    const way = chat2api('v1', SETTINGS);
    const running = await way.start(stand.origin, stand.proxyCore);
    try {
      const bed = { way, running, stand };
      await hold(bed, paced(50, 20, 500));
      const turns = new Map(all.map((neighbours) => [neighbours, [] as Turn[]]));
      for (let round = 0; round < rounds; round += 1) {
        for (const [neighbours, found] of turns) found.push(await beside(bed, neighbours, trial));
      }
      return [...turns].map(([neighbours, found]) => toRow(neighbours?.name ?? null, found));
    } finally {
      await running.stop();
    }
  } finally {
    stand.stop();
  }
}

async function beside(bed: Bed, neighbours: Neighbours | null, trial: Trial): Promise<Turn> {
  if (neighbours === null) return { ...(await holdWatched(bed, trial)), bytesEach: null };
  const pids = bed.running.pids();
  const before = rssBytes(pids);
  await bed.stand.plan(neighbours.plan);
  const crowd = { ...neighbours.crowd, port: bed.running.port };
  const others = await Bystanders.join(crowd, pids[0] ?? 0);
  try {
    const bytesEach = (rssBytes(pids) - before) / crowd.count;
    const watched = await holdWatched(bed, trial);
    if (others.closed > 0) throw new Error(`${others.closed} neighbours were cut`);
    return { ...watched, bytesEach };
  } finally {
    others.leave();
  }
}

async function holdWatched(bed: Bed, trial: Trial): Promise<Omit<Turn, 'bytesEach'>> {
  await loopDelayMs(bed.running.port);
  const live = await hold(bed, trial);
  return { live, loopDelayMs: await loopDelayMs(bed.running.port) };
}

/** Since it was asked last; the interval of the timers that find it out is a part of what the page says. */
async function loopDelayMs(port: number): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const seconds = Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(page)?.[1]);
  return Math.max(0, seconds * 1_000 - LOOP_PROBE_EVERY_MS);
}

function toRow(name: string | null, turns: readonly Turn[]): Row {
  const spread = (pick: (live: LoadResult) => number): string =>
    toText(toSpread(turns.map(({ live }) => pick(live))));
  const each = turns.flatMap(({ bytesEach }) => (bytesEach === null ? [] : [bytesEach / KIB]));
  return {
    streams: name === null ? 'alone (baseline)' : `beside ${name}`,
    'gap p50 ms': spread(({ gapMs }) => gapMs.p50),
    'p99 ms': spread(({ gapMs }) => gapMs.p99),
    'longest ms': spread(({ gapMs }) => gapMs.max),
    'late p99 ms': spread(({ lateMs }) => lateMs.p99),
    'generator late p99 ms': spread(({ ownDelayMs }) => ownDelayMs.p99),
    'its longest ms': spread(({ ownDelayMs }) => ownDelayMs.max),
    'loop delay p99 ms': toText(toSpread(turns.map((turn) => turn.loopDelayMs))),
    'CPU cores': spread(({ usage, windowMs }) => (usage['proxy']?.cpuUs ?? 0) / 1_000 / windowMs),
    'RSS KiB per neighbour': each.length === 0 ? null : toText(toSpread(each)),
  };
}
