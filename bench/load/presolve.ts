import { setTimeout as sleep } from 'node:timers/promises';
import { answerDeltas } from '../_util/answer.ts';
import { nodeUnderLoad } from '../_util/node-under-load.ts';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startChild } from './child.ts';
import type { Child, Host } from './child.ts';
import type { Load } from './protocol.ts';
import { runLoad } from './run-load.ts';

interface Case {
  /** Null: the backend wants no proof. */
  readonly difficulty: string | null;
  readonly chats: number;
  /** Between the end of an answer and the next question: the time in which clearances are prepared. */
  readonly pauseMs: number;
}

interface Way {
  readonly name: string;
  readonly port: number;
}

const CASES: readonly Case[] = [
  { difficulty: null, chats: 12, pauseMs: 100 },
  { difficulty: '000fff', chats: 12, pauseMs: 300 },
  { difficulty: '000032', chats: 6, pauseMs: 1_200 },
];
const READY = 2;
const DELTAS = 3;
const PATIENCE_MS = 60_000;
const FIRST_CHATS = READY + 1;
/** A token in the form of the real ones: presolving is for accounts. */
const ACCOUNT = { authorization: 'Bearer eyJhbGciOi.bench.x' };

/** One account that asks on and on: how long until its answers begin, with and without clearances kept ready. */
export async function benchPresolve(): Promise<Report> {
  const children: Child[] = [];
  const start = async (program: string, env: NodeJS.ProcessEnv, host: Host = {}): Promise<Child> => {
    const child = await startChild(program, env, host);
    children.push(child);
    return child;
  };
  try {
    const sandbox = await start('./sandbox.js', {});
    const origin = `http://127.0.0.1:${sandbox.port}`;
    const serve = async (presolve: number): Promise<Way> => {
      const env = {
        HOST: '127.0.0.1',
        PORT: '0',
        CHATGPT_BASE_URL: origin,
        POW_DIFFICULTY: '000001',
        POW_TIMEOUT_MS: '120000',
        PRESOLVE: String(presolve),
      };
      const { port } = await start('../../src/main.js', env, { node: nodeUnderLoad.path });
      return { name: `PRESOLVE=${presolve}${presolve === 0 ? ' (baseline)' : ''}`, port };
    };
    const ways = [await serve(0), await serve(READY)];
    const rows: Row[] = [];
    for (const one of CASES) rows.push(...(await driveCase(origin, ways, one)));
    return { title: 'time to the first text of one account, sandbox and server on the same cores', rows };
  } finally {
    for (const child of children) child.stop();
  }
}

async function driveCase(origin: string, ways: readonly Way[], one: Case): Promise<Row[]> {
  const { difficulty } = one;
  await setScenario(origin, {
    eventDelayMs: 0,
    answer: answerDeltas(DELTAS).join(''),
    ...(difficulty === null ? { proofRequired: false } : { difficulty }),
  });
  const results: number[][] = [];
  for (const way of ways) results.push(await driveWay(way, one));
  const median = (times: readonly number[] = []): number => times[Math.floor(times.length / 2)] ?? Number.NaN;
  return ways.map(({ name }, at) => ({
    case: difficulty === null ? 'no proof wanted' : `difficulty ${difficulty}`,
    way: name,
    'first text p50 ms': median(results[at]),
    'worst ms': results[at]?.at(-1) ?? null,
    '× baseline': median(results[0]) / median(results[at]),
  }));
}

/** Sorted. The first chats do not count: they find nothing prepared, or what was right for the case before. */
async function driveWay({ port }: Way, { chats, pauseMs }: Case): Promise<number[]> {
  const times: number[] = [];
  for (let held = -FIRST_CHATS; held < chats; held += 1) {
    const { firstTextMs, failures } = await runLoad(oneChat(port));
    for (const failure of Object.keys(failures)) throw new Error(`a chat failed: ${failure}`);
    if (held >= 0) times.push(firstTextMs.p50);
    await sleep(pauseMs);
  }
  return times.toSorted((a, b) => a - b);
}

function oneChat(port: number): Load {
  const messages = [{ role: 'user', content: 'Hi' }];
  return {
    target: {
      port,
      path: '/v1/chat/completions',
      headers: ACCOUNT,
      body: JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages }),
      dialect: 'openai',
    },
    deltas: DELTAS,
    atOnce: 1,
    deltasPerSecond: null,
    arrivals: { kind: 'open', perSecond: 1000, forMs: 1 },
    window: { fromMs: 0, toMs: 1 },
    patienceMs: PATIENCE_MS,
    watched: {},
  };
}

async function setScenario(origin: string, scenario: object): Promise<void> {
  const answer = await fetch(`${origin}/__sandbox/scenario`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(scenario),
  });
  if (!answer.ok) throw new Error(`the sandbox does not take the scenario: ${await answer.text()}`);
}
