import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import type { Memory } from './soak/gauge-protocol.ts';
import type { GuestsAnswer } from './soak/guests-protocol.ts';
import { TURNED_AWAY } from './soak/mix.ts';
import { withScene } from './soak/scene.ts';
import type { Scene } from './soak/scene.ts';
import { fitSlope } from './soak/slope.ts';

type Mixed = Extract<GuestsAnswer, { type: 'end-mix' }>;

interface Sample {
  readonly atS: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/** The server after a collection, with nothing under way. */
interface Rest {
  readonly memory: Memory;
  /** Requests, leases, proofs and calls that are under way all the same. */
  readonly inFlight: number;
}

interface Findings {
  readonly before: Rest;
  readonly after: Rest;
  readonly mixed: Mixed;
  readonly samples: readonly Sample[];
}

const MINUTES = 2;
const CLIENTS = 120;
/** Fewer than clients, so that some always wait and leave the queue. */
const SETTINGS = { MAX_INFLIGHT: '100', RETRY_TIMES: '1', POW_THREADS: '1' };
/** Fills what is filled once: vocabularies, pools, compiled code, the window of a minute's counts. */
const WARM_UP_S = 25;
const SAMPLE_MS = 1_000;
/** For the connections that clients and upstream have just left. */
const REST_MS = 3_000;
const REST_TIMEOUT_MS = 40_000;
const MIB = 1024 * 1024;
/**
 * What two minutes may keep. A heap at rest repeats itself to some tenths of a MiB, and two minutes are
 * thousands of requests: 4 MiB are less than a kilobyte kept of each.
 */
const MAX_REST_GROWTH_BYTES = 4 * MIB;
/** By which the heap under load may have grown for certain, over the second half. */
const MAX_TREND_BYTES = 6 * MIB;
/** Of the whole process, whose allocators keep what they once had. */
const MAX_RSS_TREND_BYTES = 64 * MIB;
const MAX_MORE_HANDLES = 20;
const MAX_TURNED_AWAY_SHARE = 0.25;
const SEED = 20_260_101;

/**
 * Clients of all kinds for `SOAK_MINUTES`: streams and whole answers in both encodings, those who leave at any
 * moment, backends that reset, readers that are slow or stop. The bench fails when memory, handles or
 * anything in flight is left behind, or when a client met what it should not.
 */
export async function benchSoak(): Promise<Report> {
  const minutes = Number(process.env['SOAK_MINUTES'] ?? MINUTES);
  const findings = await withScene(SETTINGS, (scene) => soak(scene, minutes * 60));
  const failures = judge(findings);
  for (const failure of failures) process.stderr.write(`soak: ${failure}\n`);
  if (failures.length > 0) process.exitCode = 1;
  const count = total(findings.mixed.tally);
  return {
    title: `${minutes} minutes, ${CLIENTS} clients of all kinds, ${count} requests: ${failures.length === 0 ? 'flat' : 'FAILED'}`,
    rows: [...toRows(findings), ...Object.entries(findings.mixed.tally).map(toTallyRow)],
    runs: findings.samples,
  };
}

async function soak(scene: Scene, seconds: number): Promise<Findings> {
  const { server, guests } = scene;
  const mix = { type: 'mix', port: server.port, count: CLIENTS } as const;
  await guests.ask({ ...mix, seed: 1 });
  await sleep(WARM_UP_S * 1_000);
  await guests.ask({ type: 'end-mix' });
  const before = await takeRest(scene);
  await guests.ask({ ...mix, seed: SEED });
  const samples = await sample(scene, seconds);
  const mixed = await guests.ask({ type: 'end-mix' });
  return { before, mixed, samples, after: await takeRest(scene) };
}

async function sample({ server }: Scene, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedAt = performance.now();
  for (;;) {
    await sleep(SAMPLE_MS);
    const atS = (performance.now() - startedAt) / 1_000;
    if (atS > seconds) return samples;
    const { heapBytes } = await server.ask({ type: 'memory' });
    samples.push({ atS, heapBytes, rssBytes: server.residentBytes() });
  }
}

async function takeRest({ server, inFlight }: Scene): Promise<Rest> {
  const latest = performance.now() + REST_TIMEOUT_MS;
  while ((await inFlight()) > 0 && performance.now() < latest) await sleep(200);
  // What is kept for the next call goes after 15 s: connections to the backend.
  await sleep(REST_MS);
  for (;;) {
    const memory = await server.ask({ type: 'memory' });
    if (sockets(memory) <= MAX_MORE_HANDLES || performance.now() > latest) {
      return { memory, inFlight: await inFlight() };
    }
    await sleep(500);
  }
}

function sockets({ resources }: Memory): number {
  return resources['TCPSocketWrap'] ?? 0;
}

function handles({ resources }: Memory): number {
  return total(resources);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** What is wrong, in words. */
function judge(findings: Findings): string[] {
  const { before, after, mixed } = findings;
  const heap = trend(findings, 'heapBytes');
  const rss = trend(findings, 'rssBytes');
  const restBytes = after.memory.heapBytes - before.memory.heapBytes;
  const turnedAway = mixed.tally[TURNED_AWAY] ?? 0;
  const more = handles(after.memory) - handles(before.memory);
  return [
    ...(restBytes > MAX_REST_GROWTH_BYTES ? [`the heap at rest grew by ${inMib(restBytes)} MiB`] : []),
    ...(heap.certainBytes > MAX_TREND_BYTES
      ? [`the heap under load grew by ${inMib(heap.certainBytes)} MiB`]
      : []),
    ...(rss.certainBytes > MAX_RSS_TREND_BYTES ? [`the process grew by ${inMib(rss.certainBytes)} MiB`] : []),
    ...(more > MAX_MORE_HANDLES
      ? [`${more} handles are left open: ${JSON.stringify(after.memory.resources)}`]
      : []),
    ...(after.inFlight === 0 ? [] : [`${after.inFlight} are under way with no client left`]),
    ...(turnedAway > total(mixed.tally) * MAX_TURNED_AWAY_SHARE
      ? [`the machine is too busy to tell: ${turnedAway} were turned away`]
      : []),
    ...mixed.wrong,
  ];
}

interface Trend {
  readonly mibPerHour: number;
  readonly errorMibPerHour: number;
  /** How much it grew over the second half at the least, with two standard errors taken off. */
  readonly certainBytes: number;
}

function trend({ samples }: Findings, what: 'heapBytes' | 'rssBytes'): Trend {
  const half = samples.slice(Math.floor(samples.length / 2));
  const { perUnit, error } = fitSlope(half.map((one) => [one.atS, one[what]] as const));
  const seconds = (half.at(-1)?.atS ?? 0) - (half[0]?.atS ?? 0);
  return {
    mibPerHour: (perUnit * 3_600) / MIB,
    errorMibPerHour: (error * 3_600) / MIB,
    certainBytes: (perUnit - 2 * error) * seconds,
  };
}

function toRows(findings: Findings): Row[] {
  const { before, after } = findings;
  const row = (figure: string, start: number | null, end: number | null, slope: Trend | null): Row => ({
    figure,
    before: start,
    after: end,
    'MiB/hour': slope?.mibPerHour ?? null,
    '± standard error': slope?.errorMibPerHour ?? null,
  });
  return [
    row('heap at rest, MiB', before.memory.heapBytes / MIB, after.memory.heapBytes / MIB, null),
    row('heap under load', null, null, trend(findings, 'heapBytes')),
    row('RSS, MiB', before.memory.rssBytes / MIB, after.memory.rssBytes / MIB, trend(findings, 'rssBytes')),
    row('open handles', handles(before.memory), handles(after.memory), null),
    row('in flight at rest', before.inFlight, after.inFlight, null),
  ];
}

function toTallyRow([name, count]: [string, number]): Row {
  return {
    figure: `visits: ${name}`,
    before: null,
    after: count,
    'MiB/hour': null,
    '± standard error': null,
  };
}

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
