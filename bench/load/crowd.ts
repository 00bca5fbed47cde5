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
/** The kernel takes some 4 MB of each stopped stream, and all of them must be read until then. */
const FILL_TIMEOUT_MS = 240_000;
const MIB = 1024 * 1024;

const SHARED = 'live streams at 1 event/s; all processes share the cores';

/** How live streams fare beside as many clients that read nothing, and what those hold. */
export async function benchStopped(): Promise<Report> {
  const count = Number(process.env['STOPPED'] ?? MANY);
  const rows = await besideEach(MANY, [{ name: `${count} stopped readers`, count, manner: STOPPED }]);
  return { title: SHARED, rows };
}

/** How live streams fare beside one whose events are huge. */
export async function benchHuge(): Promise<Report> {
  const rows = await besideEach(FEW, [
    { name: '1 of 100,000 tokens an event, v1', count: 1, manner: { ...LIVE, script: HUGE } },
    { name: 'the same with usage', count: 1, manner: { ...LIVE, script: HUGE, includeUsage: true } },
    { name: '1 that repeats 100,000 tokens, legacy', count: 1, manner: { ...LIVE, script: REPEATED } },
  ]);
  return { title: SHARED, rows };
}

/** As many streams as a process may have files for, at most ten thousand. */
export async function benchCrowd(): Promise<Report> {
  const most = mostStreams();
  const row = await crowd(Math.min(CROWD, most));
  return { title: `${SHARED}; the limit of open files allows ${most} streams`, rows: [row] };
}

/** Each in a scene of its own: what one leaves in the heap is not the next one's. */
async function besideEach(count: number, all: readonly Neighbours[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const neighbours of all) {
    rows.push(...(await withScene({}, (scene) => beside(scene, count, neighbours))));
  }
  return rows;
}

async function beside(
  scene: Scene,
  count: number,
  { name, count: others, manner }: Neighbours,
): Promise<Row[]> {
  await join(scene, 'live', count, { ...LIVE, script: TICKING });
  await sleep(SETTLE_MS);
  const alone = await measure(scene, SECONDS);
  const before = await scene.server.ask({ type: 'memory' });
  await join(scene, 'others', others, manner);
  await sleep(SETTLE_MS);
  const heldBytes = manner.reading === 'stopped' ? await untilHeld(scene, others) : null;
  const together = await measure(scene, SECONDS);
  const after = await scene.server.ask({ type: 'memory' });
  const kib = (pick: (memory: Memory) => number): number | null =>
    others === 1 ? null : (pick(after) - pick(before)) / others / 1024;
  const each = {
    heap: kib(({ heapBytes, externalBytes }) => heapBytes + externalBytes),
    rss: kib(({ rssBytes }) => rssBytes),
    heldBytes,
  };
  const streams = `${count} streams`;
  return [
    toRow(`${streams}, alone (baseline)`, alone, NOTHING),
    toRow(`${streams} beside ${name}`, together, each),
  ];
}

/** Resolves when the backend can write no more to any of so many; the most that it could. */
async function untilHeld({ backend }: Scene, count: number): Promise<number> {
  const latest = performance.now() + FILL_TIMEOUT_MS;
  for (let before = 0; ; await sleep(1_000)) {
    const { bytes } = await backend.ask({ type: 'held' });
    const total = bytes.reduce((sum, one) => sum + one, 0);
    if (bytes.length >= count && total === before) return Math.max(...bytes);
    if (performance.now() > latest) throw new Error(`only ${bytes.length} of ${count} upstreams are paused`);
    before = total;
  }
}

async function crowd(count: number): Promise<Row> {
  return withScene({}, async (scene) => {
    await join(scene, 'live', count, { ...LIVE, script: TICKING });
    await sleep(SETTLE_MS);
    const found = await measure(scene, CROWD_SECONDS);
    return toRow(`${count} streams`, found, NOTHING);
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
  return {
    told,
    delays,
    cpuShare: (cpuAfter.us - cpuBefore.us) / elapsedUs,
    rssBytes: server.residentBytes(),
  };
}

/** What a neighbour costs; null: not known, or it is alone. */
interface Cost {
  readonly heap: number | null;
  readonly rss: number | null;
  /** The most that was taken from its backend. */
  readonly heldBytes: number | null;
}

const NOTHING: Cost = { heap: null, rss: null, heldBytes: null };

function toRow(streams: string, { told, delays, cpuShare, rssBytes }: Found, neighbour: Cost): Row {
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
    'MiB taken of its upstream': neighbour.heldBytes === null ? null : neighbour.heldBytes / MIB,
  };
}
