import { nodeUnderLoad } from '../_util/node-under-load.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { toSpread, toText } from '../_util/spread.ts';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import type { Bed } from './bed.ts';
import { startChild } from './child.ts';
import { spentCpuUs } from './process-usage.ts';
import type { Stand } from './stand.ts';
import { startStand } from './stand.ts';
import { MEASURES } from './trials.ts';
import type { Measure } from './trials.ts';
import { chat2api } from './ways.ts';
import type { Way } from './ways.ts';

/** Both servers are started so often, for compilers have their good and bad days, and tried so often each time. */
const STARTS = 4;
const ROUNDS = 3;
const LOOK_MS = 500;
const QUIET_SHARE = 0.02;
const MAX_LOOKS = 20;
const METERS = ['off', 'on'] as const;
type Meters = (typeof METERS)[number];

interface Case {
  readonly name: string;
  readonly figure: string;
}

const CASES: readonly Case[] = [
  { name: 'an event, saturated', figure: 'saturated CPU µs' },
  { name: 'an event, paced', figure: 'paced CPU µs' },
  { name: 'a short chat', figure: 'CPU µs/chat' },
];
/** Warms up before it measures. */
const FIRST = measureOf('batched CPU µs');

type Pair = Readonly<Record<Meters, number>>;

/**
 * What metrics cost the whole program: the built server with and without its meters, side by side on one core.
 * Each has a stand of its own and is charged for its own processor time; whatever else the machine does, it
 * does to both. In turns the ratio of one second to the next was off by 20 %.
 */
export async function benchMetricsCost(): Promise<Report> {
  const stands = [await startStand(), await startStand()];
  try {
    const pairs = new Map<Case, Pair[]>(CASES.map((one) => [one, []]));
    for (let start = 1; start <= STARTS; start += 1) {
      process.stderr.write(`start ${start} of ${STARTS}\n`);
      // Who has which stand changes, too.
      await compare(stands.reverse(), pairs);
    }
    return {
      title: `metrics on and off side by side, ${STARTS} starts of ${ROUNDS} rounds`,
      rows: [...pairs].map(toRow),
      runs: [...pairs].map(([{ name }, all]) => ({ case: name, pairs: all })),
    };
  } finally {
    for (const stand of stands) stand.stop();
  }
}

async function compare(stands: readonly Stand[], pairs: ReadonlyMap<Case, Pair[]>): Promise<void> {
  const beds: Bed[] = [];
  try {
    for (const [at, stand] of stands.entries()) beds.push(await openBed(stand, METERS[at] ?? 'on'));
    for (const { running } of beds) await quiet(running.pids());
    await Promise.all(beds.map((bed) => FIRST.run(bed)));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [one, all] of pairs) all.push(await measurePair(beds, one));
    }
  } finally {
    for (const { running } of beds) await running.stop();
  }
}

async function measurePair(beds: readonly Bed[], { figure }: Case): Promise<Pair> {
  const measure = measureOf(figure);
  const [off = NaN, on = NaN] = await Promise.all(beds.map(async (bed) => (await measure.run(bed))[figure]));
  return { off, on };
}

async function openBed(stand: Stand, meters: Meters): Promise<Bed> {
  const way = meteredWay(meters);
  return { way, running: await way.start(stand.origin, stand.proxyCore), stand };
}

/** What a server does for itself after its start is done. */
async function quiet(pids: readonly number[]): Promise<void> {
  const spentUs = (): number => pids.reduce((sum, pid) => sum + spentCpuUs(pid), 0);
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const beforeUs = spentUs();
    await sleep(LOOK_MS);
    if (spentUs() - beforeUs < QUIET_SHARE * LOOK_MS * 1000) return;
  }
}

function meteredWay(meters: Meters): Way {
  return {
    ...chat2api('v1'),
    name: `metrics ${meters}`,
    async start(origin, core) {
      const env = { HOST: '127.0.0.1', PORT: '0', CHATGPT_BASE_URL: origin, METERS: meters };
      const child = await startChild('./metered-server.js', env, { core, node: nodeUnderLoad.path });
      return { port: child.port, pids: () => [child.pid], stop: async () => child.stop() };
    },
  };
}

function measureOf(figure: string): Measure {
  const measure = MEASURES.find(({ figures }) => figures.includes(figure));
  if (measure === undefined) throw new Error(`no measure of ${figure}`);
  return measure;
}

function toRow([{ name }, pairs]: readonly [Case, readonly Pair[]]): Row {
  const ratios = pairs.map(({ on, off }) => on / off).toSorted((a, b) => a - b);
  const quarter = Math.floor(ratios.length / 4);
  return {
    'CPU µs of': name,
    'metrics off': toSpread(pairs.map(({ off }) => off)).median,
    'metrics on': toSpread(pairs.map(({ on }) => on)).median,
    'on / off': toSpread(ratios).median,
    'half of all pairs': toText(toSpread(ratios.slice(quarter, ratios.length - quarter))),
  };
}
