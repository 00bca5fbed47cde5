import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeUnderLoad } from '../_util/node-under-load.ts';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startChild } from './child.ts';
import type { Child } from './child.ts';
import { mainThreadCpuMs, rssBytes, spentCpuUs } from './process-usage.ts';

interface Way {
  readonly name: string;
  readonly program: string;
  /** From listening to the first chat; null: it holds no chats. */
  readonly restMs: number | null;
}

/** Of one start, or the medians of all. */
interface Start {
  readonly listeningMs: number;
  readonly cpuMs: number;
  /** Null: it holds no chats. */
  readonly chats: Chats | null;
}

interface Chats {
  readonly firstMs: number;
  /** Processor time of the program's main thread. */
  readonly firstCpuMs: number;
  readonly secondMs: number;
  readonly warmMs: number;
  readonly warmCpuMs: number;
  /** Of a warm program's chat in the first one's situation: on a connection of its own, after as long a rest. */
  readonly restedMs: number;
  readonly restedCpuMs: number;
  /** Of all threads, since the process began, when the warm-up is over and two chats were held. */
  readonly settledCpuMs: number;
  readonly settledRssMb: number;
}

const SERVER = '../../src/main.js';
const WAYS: readonly Way[] = [
  { name: 'empty program (floor)', program: './nothing.js', restMs: null },
  { name: 'bare server (baseline)', program: './bare-server.js', restMs: null },
  { name: 'chat2api, chat at once', program: SERVER, restMs: 0 },
  { name: 'chat2api, chat after 3 s', program: SERVER, restMs: 3_000 },
];
const ROUNDS = 7;
/** From listening until the warm-up is over, with time to spare. */
const SETTLED_MS = 4_000;
const WARMING_CHATS = 50;
const WARM_CHATS = 21;
const QUESTION = JSON.stringify({
  model: 'gpt-4o',
  stream: true,
  messages: [{ role: 'user', content: 'Hello.' }],
});
const HAS_TEXT = /"content":"[^"]/;

/** Starts of fresh processes in turns, and how much longer the first chat takes than a warm one. */
export async function benchStart(): Promise<Report> {
  const upstream = await startChild('./upstream.js', {});
  try {
    const starts = WAYS.map((way) => ({ way, seen: [] as Start[] }));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { way, seen } of starts) seen.push(await start(way, upstream.port));
    }
    const medians = starts.map(({ way, seen }) => ({ way, median: medianStart(seen) }));
    const baselineMs = medians[1]?.median.listeningMs ?? Number.NaN;
    const title = `medians of ${ROUNDS} starts in turns; a chat's time is that to its first text`;
    return { title, rows: medians.map(({ way, median }) => toRow(way, median, baselineMs)) };
  } finally {
    upstream.stop();
  }
}

async function start({ program, restMs }: Way, upstreamPort: number): Promise<Start> {
  const env = { HOST: '127.0.0.1', PORT: '0', CHATGPT_BASE_URL: `http://127.0.0.1:${upstreamPort}` };
  const startedAt = performance.now();
  const child = await startChild(program, env, { node: nodeUnderLoad.path });
  try {
    const listeningMs = performance.now() - startedAt;
    const cpuMs = spentCpuUs(child.pid) / 1_000;
    return { listeningMs, cpuMs, chats: restMs === null ? null : await holdChats(child, restMs) };
  } finally {
    child.stop();
  }
}

/** The first ones after `restMs`, the warm ones when the warm-up is over, and one more after another rest. */
async function holdChats({ port, pid }: Child, restMs: number): Promise<Chats> {
  const agent = new Agent({ keepAlive: true });
  const newAgent = new Agent({ keepAlive: true });
  const ask = (): Promise<number> => firstTextMs(port, agent);
  const askCounted = async (by: Agent): Promise<readonly [ms: number, cpuMs: number]> => {
    const before = mainThreadCpuMs(pid);
    return [await firstTextMs(port, by), mainThreadCpuMs(pid) - before];
  };
  try {
    await sleep(restMs);
    const [firstMs, firstCpuMs] = await askCounted(agent);
    const secondMs = await ask();
    await sleep(SETTLED_MS - restMs);
    const settledCpuMs = spentCpuUs(pid) / 1_000;
    const settledRssMb = rssBytes([pid]) / 1e6;
    for (let asked = 0; asked < WARMING_CHATS; asked += 1) await ask();
    const warm: (readonly [ms: number, cpuMs: number])[] = [];
    while (warm.length < WARM_CHATS) warm.push(await askCounted(agent));
    const [warmMs, warmCpuMs] = [median(warm.map(([ms]) => ms)), median(warm.map(([, cpuMs]) => cpuMs))];
    await sleep(restMs);
    const [restedMs, restedCpuMs] = await askCounted(newAgent);
    return {
      firstMs,
      firstCpuMs,
      secondMs,
      warmMs,
      warmCpuMs,
      restedMs,
      restedCpuMs,
      settledCpuMs,
      settledRssMb,
    };
  } finally {
    agent.destroy();
    newAgent.destroy();
  }
}

/** Of one chat, in milliseconds. Ends with the chat. */
async function firstTextMs(port: number, agent: Agent): Promise<number> {
  const startedAt = performance.now();
  const asked = request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/v1/chat/completions' });
  asked.end(QUESTION);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  let firstMs = Number.NaN;
  for await (const part of response.setEncoding('utf8')) {
    text += part as string;
    if (Number.isNaN(firstMs) && HAS_TEXT.test(text)) firstMs = performance.now() - startedAt;
  }
  if (!text.endsWith('data: [DONE]\n\n')) throw new Error(`a chat of ${port} is not whole: ${text}`);
  return firstMs;
}

function medianStart(starts: readonly Start[]): Start {
  const chats = starts.flatMap((start) => start.chats ?? []);
  return {
    listeningMs: median(starts.map(({ listeningMs }) => listeningMs)),
    cpuMs: median(starts.map(({ cpuMs }) => cpuMs)),
    chats: chats.length === 0 ? null : medianChats(chats),
  };
}

function medianChats(all: readonly Chats[]): Chats {
  const of = (read: (chats: Chats) => number): number => median(all.map(read));
  return {
    firstMs: of((chats) => chats.firstMs),
    firstCpuMs: of((chats) => chats.firstCpuMs),
    secondMs: of((chats) => chats.secondMs),
    warmMs: of((chats) => chats.warmMs),
    warmCpuMs: of((chats) => chats.warmCpuMs),
    restedMs: of((chats) => chats.restedMs),
    restedCpuMs: of((chats) => chats.restedCpuMs),
    settledCpuMs: of((chats) => chats.settledCpuMs),
    settledRssMb: of((chats) => chats.settledRssMb),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function toRow({ name }: Way, { listeningMs, cpuMs, chats }: Start, baselineMs: number): Row {
  return {
    way: name,
    'listening ms': listeningMs,
    '× baseline': listeningMs / baselineMs,
    'CPU ms': cpuMs,
    'first chat ms': chats?.firstMs ?? null,
    'second chat ms': chats?.secondMs ?? null,
    'warm chat ms': chats?.warmMs ?? null,
    'first × warm': chats && chats.firstMs / chats.warmMs,
    'CPU: first × warm': chats && chats.firstCpuMs / chats.warmCpuMs,
    'rested chat ms': chats?.restedMs ?? null,
    'first × rested': chats && chats.firstMs / chats.restedMs,
    'CPU: first × rested': chats && chats.firstCpuMs / chats.restedCpuMs,
    'CPU ms after 4 s': chats?.settledCpuMs ?? null,
    'RSS MB after 4 s': chats?.settledRssMb ?? null,
  };
}
