import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startChild } from './child.ts';
import { spentCpuUs } from './process-usage.ts';

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
  readonly firstChatMs: number;
  readonly warmChatMs: number;
}

const SERVER = '../../src/main.js';
const WAYS: readonly Way[] = [
  { name: 'empty program (floor)', program: './nothing.js', restMs: null },
  { name: 'bare server (baseline)', program: './bare-server.js', restMs: null },
  { name: 'chat2api, chat at once', program: SERVER, restMs: 0 },
  { name: 'chat2api, chat after 3 s', program: SERVER, restMs: 3_000 },
];
const ROUNDS = 7;
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
  const child = await startChild(program, env);
  try {
    const listeningMs = performance.now() - startedAt;
    const cpuMs = spentCpuUs(child.pid) / 1_000;
    if (restMs === null) return { listeningMs, cpuMs, firstChatMs: Number.NaN, warmChatMs: Number.NaN };
    await sleep(restMs);
    return { listeningMs, cpuMs, ...(await chats(child.port)) };
  } finally {
    child.stop();
  }
}

async function chats(port: number): Promise<Pick<Start, 'firstChatMs' | 'warmChatMs'>> {
  const agent = new Agent({ keepAlive: true });
  const ask = (): Promise<number> => firstTextMs(port, agent);
  try {
    const firstChatMs = await ask();
    for (let asked = 0; asked < WARMING_CHATS; asked += 1) await ask();
    const warm: number[] = [];
    while (warm.length < WARM_CHATS) warm.push(await ask());
    return { firstChatMs, warmChatMs: median(warm) };
  } finally {
    agent.destroy();
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
  const of = (read: (start: Start) => number): number => median(starts.map(read));
  return {
    listeningMs: of((start) => start.listeningMs),
    cpuMs: of((start) => start.cpuMs),
    firstChatMs: of((start) => start.firstChatMs),
    warmChatMs: of((start) => start.warmChatMs),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function toRow({ name, restMs }: Way, median: Start, baselineMs: number): Row {
  const { listeningMs, cpuMs, firstChatMs, warmChatMs } = median;
  const holdsChats = restMs !== null;
  return {
    way: name,
    'listening ms': listeningMs,
    '× baseline': listeningMs / baselineMs,
    'CPU ms': cpuMs,
    'first chat ms': holdsChats ? firstChatMs : null,
    'warm chat ms': holdsChats ? warmChatMs : null,
    'first × warm': holdsChats ? firstChatMs / warmChatMs : null,
  };
}
