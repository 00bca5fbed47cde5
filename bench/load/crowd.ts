import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import type { Delays, Memory } from './soak/gauge-protocol.ts';
import type { Told } from './soak/guests-protocol.ts';
import { mostStreams } from './soak/limits.ts';
import { withScene } from './soak/scene.ts';
import type { Scene } from './soak/scene.ts';
import { PLAIN } from './soak/script.ts';
import type { Script } from './soak/script.ts';
import { LIVE } from './soak/visit.ts';
import type { Manner } from './soak/visit.ts';

/** Those beside whom others live. */
interface Neighbours {
  readonly name: string;
  readonly count: number;
  readonly manner: Manner;
}

const TICKING: Script = { ...PLAIN, events: 100_000, everyMs: 1_000 };
const STOPPED: Manner = {
  ...LIVE,
  script: { ...PLAIN, events: 1_000_000, characters: 16_000 },
  reading: 'stopped',
};
/** Some 100,000 tokens. */
const HUGE_CHARACTERS = 430_000;
const HUGE: Script = { ...PLAIN, events: 100_000, everyMs: 250, characters: HUGE_CHARACTERS };
const REPEATED: Script = { ...HUGE, encoding: 'legacy', characters: 20, firstCharacters: HUGE_CHARACTERS };

const MANY = 1_000;
const FEW = 100;
const SECONDS = 10;
/** A crowd that came at once lives in step; the measure begins once it has come to rest. */
const SETTLE_MS = 3_000;
const CROWD_SECONDS = 30;
const CROWD = 10_000;
const MIB = 1024 * 1024;

/** How live streams fare beside stopped readers and beside streams of huge events; and how many there can be. */
export async function benchCrowd(): Promise<Report> {
  const stopped = { name: `${MANY} stopped readers`, count: MANY, manner: STOPPED };
  const rows = [
    ...(await besideEach(MANY, [stopped])),
    ...(await besideEach(FEW, [
      { name: '1 of 100,000 tokens an event, v1', count: 1, manner: { ...LIVE, script: HUGE } },
      { name: 'the same with usage', count: 1, manner: { ...LIVE, script: HUGE, includeUsage: true } },
      { name: '1 that repeats 100,000 tokens, legacy', count: 1, manner: { ...LIVE, script: REPEATED } },
    ])),
    await crowd(Math.min(CROWD, mostStreams())),
  ];
  return { title: 'live streams at 1 event/s and their neighbours; all processes share the cores', rows };
}

/** Each in a scene of its own: what one leaves in the heap is not the next one's. */
async function besideEach(count: number, all: readonly Neighbours[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const neighbours of all) {
    rows.push(...(await withScene({}, (scene) => beside(scene, count, neighbours))));
  }
  return rows;
}

async function beside(scene: Scene, count: number, { name, count: others, manner }: Neighbours): Promise<Row[]> {
  await join(scene, 'live', count, { ...LIVE, script: TICKING });
  await sleep(SETTLE_MS);
  const alone = await measure(scene, SECONDS);
  const before = await scene.server.ask({ type: 'memory' });
  await join(scene, 'others', others, manner);
  await sleep(SETTLE_MS);
  const together = await measure(scene, SECONDS);
  const after = await scene.server.ask({ type: 'memory' });
  const kib = (pick: (memory: Memory) => number): number | null =>
    others === 1 ? null : (pick(after) - pick(before)) / others / 1024;
  const each = {
    heap: kib(({ heapBytes, externalBytes }) => heapBytes + externalBytes),
    rss: kib(({ rssBytes }) => rssBytes),
  };
  const streams = `${count} streams`;
  return [
    toRow(`${streams}, alone (baseline)`, alone, { heap: null, rss: null }),
    toRow(`${streams} beside ${name}`, together, each),
  ];
}

async function crowd(count: number): Promise<Row> {
  return withScene({}, async (scene) => {
    await join(scene, 'live', count, { ...LIVE, script: TICKING });
    await sleep(SETTLE_MS);
    const found = await measure(scene, CROWD_SECONDS);
    return toRow(`${count} streams`, found, { heap: null, rss: null });
  });
}

function join({ server, guests }: Scene, group: string, count: number, manner: Manner): Promise<unknown> {
  return guests.ask({ type: 'join', group, count, manner, port: server.port });
}

interface Found {
  readonly told: Told;
  readonly delays: Delays;
  readonly cpuShare: number;
  readonly rssBytes: number;
}

async function measure({ server, guests }: Scene, seconds: number): Promise<Found> {
  await guests.ask({ type: 'tell', group: 'live' });
  await server.ask({ type: 'delays' });
  const cpuBefore = await server.ask({ type: 'cpu' });
  const startedAt = performance.now();
  await sleep(seconds * 1_000);
  const cpuAfter = await server.ask({ type: 'cpu' });
  const elapsedUs = (performance.now() - startedAt) * 1_000;
  const delays = await server.ask({ type: 'delays' });
  const told = await guests.ask({ type: 'tell', group: 'live' });
  if (Object.keys(told.ends).length > 0) throw new Error(`live streams ended: ${JSON.stringify(told.ends)}`);
  return { told, delays, cpuShare: (cpuAfter.us - cpuBefore.us) / elapsedUs, rssBytes: server.residentBytes() };
}

function toRow(
  streams: string,
  { told, delays, cpuShare, rssBytes }: Found,
  neighbour: { readonly heap: number | null; readonly rss: number | null },
): Row {
  return {
    streams,
    'event delay p50 ms': told.delayP50Ms,
    'p99 ms': told.delayP99Ms,
    'latest ms': told.delayMaxMs,
    'loop delay p99 ms': delays.p99Ms,
    'longest ms': delays.maxMs,
    'CPU cores': cpuShare,
    'RSS MiB': rssBytes / MIB,
    'KiB per neighbour': neighbour.heap,
    'RSS KiB per neighbour': neighbour.rss,
  };
}
