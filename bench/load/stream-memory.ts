import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import type { Memory } from './soak/gauge-protocol.ts';
import { withScene } from './soak/scene.ts';
import type { Scene } from './soak/scene.ts';
import { PLAIN } from './soak/script.ts';
import type { Script } from './soak/script.ts';
import { LIVE } from './soak/visit.ts';

interface Case {
  readonly name: string;
  readonly script: Script;
  readonly token: string | null;
}

const SILENT: Script = { ...PLAIN, events: 1, ending: 'silence' };
const ACTIVE: Script = { ...PLAIN, events: 100_000, everyMs: 1_000 };
const CASES: readonly Case[] = [
  { name: 'idle, v1', script: SILENT, token: null },
  { name: 'idle, v1, own token', script: SILENT, token: 'eyJhbGciOi.soak.x' },
  { name: '1 event/s, v1', script: ACTIVE, token: null },
  { name: '1 event/s, legacy', script: { ...ACTIVE, encoding: 'legacy' }, token: null },
];
/** The first streams fill what is there once: pools, the heap's young space, compiled code. */
const WARM_UP = 300;
const FEW = 1_000;
const MANY = 4_000;
const SETTLE_MS = 1_500;
const KIB = 1024;

/** What an open stream costs: the growth from many to more of them, after collections. */
export async function benchStreamMemory(): Promise<Report> {
  const rows: Row[] = [];
  for (const one of CASES) rows.push(await withScene({}, (scene) => measure(scene, one)));
  return { title: `memory of an open stream, by the growth from ${FEW} to ${MANY} of them`, rows };
}

async function measure(scene: Scene, { name, script, token }: Case): Promise<Row> {
  const { server, guests } = scene;
  const manner = { ...LIVE, script, token };
  const join = (count: number): Promise<unknown> =>
    guests.ask({ type: 'join', group: name, count, manner, port: server.port });
  await join(WARM_UP);
  await sleep(SETTLE_MS);
  await join(FEW - WARM_UP);
  const few = await restingMemory(scene);
  await join(MANY - FEW);
  const many = await restingMemory(scene);
  const { ends } = await guests.ask({ type: 'tell', group: name });
  if (Object.keys(ends).length > 0) throw new Error(`streams ended: ${JSON.stringify(ends)}`);
  const perStream = (pick: (memory: Memory) => number): number =>
    (pick(many) - pick(few)) / (MANY - FEW) / KIB;
  return {
    stream: name,
    'heap KiB': perStream(({ heapBytes }) => heapBytes),
    'buffers and native KiB': perStream(({ externalBytes }) => externalBytes),
    'RSS KiB': perStream(({ rssBytes }) => rssBytes),
    [`RSS at ${MANY}, MiB`]: many.rssBytes / KIB / KIB,
  };
}

async function restingMemory({ server }: Scene): Promise<Memory> {
  await sleep(SETTLE_MS);
  return server.ask({ type: 'memory' });
}
