import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Env } from '../../src/config.ts';
import { ask, askChat, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Program } from '../helpers/program.ts';
import {
  event,
  openStream,
  requirements,
  sendAnswer,
  sendJson,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';

t.setTimeout(120_000);

const ADMIN_KEY = 'admin-key-canary';
const UNWELL = { detail: 'Something went wrong' };

function start(t: Test, env: Env): Promise<Program> {
  return startProgram(t, { ADMIN_KEY, PRESOLVE: '0', ...env });
}

/** The connection stays open and is used for the next call. */
function sendKept({ socket }: Asked, value: unknown): void {
  const body = JSON.stringify(value);
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  socket.write(head + body);
}

interface Failing {
  readonly name: string;
  readonly act: (asked: Asked) => unknown;
  readonly status: number;
  /** How often more it is asked than once, of `RETRY_TIMES`. */
  readonly repeats: (retryTimes: number) => number;
  readonly token?: string;
  /** What a connection that was used before could be blamed for. */
  readonly breaks?: true;
}

const POOL_KEY = 'sk-pool';
const every = (retryTimes: number): number => retryTimes;
const never = (): number => 0;

const FAILINGS: readonly Failing[] = [
  {
    name: 'a reset before the head',
    act: ({ socket }) => socket.resetAndDestroy(),
    status: 502,
    repeats: every,
    breaks: true,
  },
  {
    name: 'a close before the head',
    act: ({ socket }) => socket.end(),
    status: 502,
    repeats: every,
    breaks: true,
  },
  { name: '500', act: (asked) => sendJson(asked, 500, UNWELL), status: 502, repeats: every },
  {
    name: '429 to each of many accounts',
    act: (asked) => sendJson(asked, 429, { detail: 'Too many requests in 1 hour. Try again later.' }),
    status: 429,
    repeats: every,
    token: POOL_KEY,
  },
  {
    name: '401 to each of many accounts',
    act: (asked) => sendJson(asked, 401, { detail: 'Unauthorized' }),
    status: 401,
    repeats: every,
    token: POOL_KEY,
  },
  {
    name: '503 that asks for a minute',
    act: (asked) => sendJson(asked, 503, UNWELL, 'retry-after: 60'),
    status: 502,
    repeats: never,
  },
  {
    name: 'a stream that broke after its first words',
    act: (asked) => {
      openStream(asked);
      stream(asked, event('It began'));
      setTimeout(() => asked.socket.resetAndDestroy(), 60);
    },
    status: 200,
    repeats: never,
  },
];

for (const retryTimes of [0, 3]) {
  t.test(`RETRY_TIMES=${retryTimes}: upstream is asked so often, and not once more`, async (t) => {
    for (const isKept of [false, true]) {
      const failings = isKept ? FAILINGS.filter(({ breaks }) => breaks === true) : FAILINGS;
      await Promise.all(
        failings.map(async ({ name, act, status, repeats, token }) => {
          const upstream = await startUpstream(t, {
            requirements: (asked) => (isKept ? sendKept : sendJson200)(asked, requirements()),
            conversation: (asked) => void act(asked),
          });
          const program = await start(t, {
            CHATGPT_BASE_URL: upstream.origin,
            RETRY_TIMES: String(retryTimes),
            AUTHORIZATION: token === undefined ? '' : POOL_KEY,
          });
          if (token !== undefined) await addAccounts(program, 6);
          const answer = await askChat(program.port, { stream: true, ...(token !== undefined && { token }) });
          const what = `${name}${isKept ? ', on a connection used before' : ''}`;
          t.equal(answer.status, status, what);
          t.ok(errorOf(answer) !== undefined, `${what}: told`);
          t.equal(upstream.askedAt('conversation').length, 1 + repeats(retryTimes), `${what}: asked`);
          t.same(await settled(program), IDLE);
        }),
      );
    }
  });
}

function sendJson200(asked: Asked, value: unknown): void {
  sendJson(asked, 200, value);
}

async function addAccounts({ port }: Program, count: number): Promise<void> {
  const body = Array.from({ length: count }, (_, nth) => `eyJhbGciOi.account-${nth}.x`).join('\n');
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'text/plain' };
  const { status } = await ask(port, { path: '/admin/accounts', headers, body });
  if (status !== 200) throw new Error(`accounts: ${status}`);
}

t.test('retry-after is waited for when it is short', async (t) => {
  const times: number[] = [];
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) => {
      times.push(performance.now());
      if (nth > 1) sendAnswer(asked, 'Hello there!');
      else sendJson(asked, 503, UNWELL, 'retry-after: 1');
    },
  });
  const program = await start(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '1' });
  t.equal((await askChat(program.port)).status, 200);
  const [first = 0, second = 0] = times;
  t.ok(second - first >= 990, `after ${Math.round(second - first)} ms`);
});

t.test('when everything fails, retries in flight stay within the budget', async (t) => {
  const CLIENTS = 50;
  const attempts = new Map<string, number>();
  let [retrying, most, begun] = [0, 0, 0];
  const upstream = await startUpstream(t, {
    async conversation(asked) {
      const marker = /marker-\d+/.exec(asked.body)?.[0] ?? '';
      const nth = (attempts.get(marker) ?? 0) + 1;
      attempts.set(marker, nth);
      if (nth > 1) most = Math.max(most, (retrying += 1));
      await sleep(30);
      if (nth > 1) retrying -= 1;
      sendJson(asked, 500, UNWELL);
    },
  });
  const program = await start(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '3' });
  const client = async (): Promise<void> => {
    while (begun < 150) {
      begun += 1;
      const messages = [{ role: 'user', content: `marker-${begun}.` }];
      const answer = await askChat(program.port, { fields: { messages } });
      t.equal(answer.status, 502);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  t.ok(most > 0 && most <= CLIENTS / 5, `${most} retries at once`);
  t.ok(Math.max(...attempts.values()) <= 4, 'nobody is tried more than 1 + RETRY_TIMES times');
  const page = (await ask(program.port, { method: 'GET', path: '/metrics' })).text;
  const denied = Number(/^chat2api_retries_denied_total (\d+)$/m.exec(page)?.[1]);
  t.ok(denied > 0, `${denied} were denied`);
  t.same(await settled(program), IDLE);
});

t.test('the deadline of the whole turn spans its retries', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked) => sendJson(asked, 500, UNWELL, 'retry-after: 1'),
  });
  const program = await start(t, {
    CHATGPT_BASE_URL: upstream.origin,
    RETRY_TIMES: '10',
    TOTAL_TIMEOUT_MS: '1500',
  });
  const startedAt = performance.now();
  const answer = await askChat(program.port);
  t.ok(performance.now() - startedAt < 6_000, 'no retry that would be too late is waited for');
  t.equal(errorOf(answer)?.code, 'upstream_error');
  t.equal(answer.headers['retry-after'], '1');
  t.equal(upstream.askedAt('conversation').length, 2);
});
