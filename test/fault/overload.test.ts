import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Pressure } from '../../src/pressure.ts';
import { pressureReason } from '../../src/pressure.ts';
import { ask, askChat, chatBytes, dataOf, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Answer, Program } from '../helpers/program.ts';
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
import { dial, get, until } from '../http/serve.ts';

t.setTimeout(120_000);

const ADMIN_KEY = 'admin-key-canary';
const KEY = 'sk-pool';

/** Answers each question when the test says so, the oldest first. */
function createHeld(): { play: (asked: Asked) => void; questions: string[]; release: () => void } {
  const held: Asked[] = [];
  const questions: string[] = [];
  return {
    questions,
    play(asked) {
      held.push(asked);
      questions.push(/marker-\w+/.exec(asked.body)?.[0] ?? 'none');
    },
    release() {
      const asked = held.shift();
      if (asked !== undefined) sendAnswer(asked, 'Hello there!');
    },
  };
}

function askMarked(port: number, name: string | number): Promise<Answer> {
  const messages = [{ role: 'user', content: `marker-${name}.` }];
  return askChat(port, { fields: { messages } });
}

function isRefused(t: Test, answer: Answer, code: string, message: RegExp): void {
  t.match([answer.status, errorOf(answer)?.code], [503, code]);
  t.match(errorOf(answer)?.message, message);
  t.match(answer.headers['retry-after'], /^\d+$/);
}

const inside = ({ app }: Program, requests: number): Promise<boolean> =>
  until(() => app.inflight.requests === requests);

async function figure(port: number, line: string): Promise<number> {
  const { text } = await ask(port, { method: 'GET', path: '/metrics' });
  return Number(
    text
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.slice(line.length),
  );
}

t.test('who waits for a place is served in order; who finds the queue full is told so at once', async (t) => {
  const held = createHeld();
  const upstream = await startUpstream(t, { conversation: held.play });
  const env = { MAX_INFLIGHT: '2', MAX_QUEUE: '4', QUEUE_TIMEOUT_MS: '20000', RETRY_TIMES: '0' };
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, ...env });
  const asked: Promise<Answer>[] = [];
  for (let nth = 1; nth <= 6; nth += 1) {
    asked.push(askMarked(program.port, nth));
    t.ok(await inside(program, nth));
    if (nth <= 2) t.ok(await until(() => held.questions.length === nth));
  }
  isRefused(t, await askMarked(program.port, 'late'), 'proxy_overloaded', /MAX_INFLIGHT.*MAX_QUEUE/);
  t.equal(await figure(program.port, 'chat2api_waiting{for="place"}'), 4);
  t.equal(held.questions.length, 2, 'no more than MAX_INFLIGHT reach upstream');
  for (let nth = 1; nth <= 6; nth += 1) {
    held.release();
    t.ok(await until(() => held.questions.length === Math.min(6, nth + 2)));
  }
  for (const answer of await Promise.all(asked)) t.equal(answer.status, 200);
  t.same(
    held.questions,
    [1, 2, 3, 4, 5, 6].map((nth) => `marker-${nth}`),
  );
  t.same(await settled(program), IDLE);
});

t.test('who waits too long for a place is told so', async (t) => {
  const held = createHeld();
  const upstream = await startUpstream(t, { conversation: held.play });
  const env = { MAX_INFLIGHT: '1', MAX_QUEUE: '5', QUEUE_TIMEOUT_MS: '300', RETRY_TIMES: '0' };
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, ...env });
  const first = askMarked(program.port, 'first');
  t.ok(await until(() => held.questions.length === 1));
  const late = await Promise.all([askMarked(program.port, 'a'), askMarked(program.port, 'b')]);
  for (const answer of late) isRefused(t, answer, 'proxy_overloaded', /QUEUE_TIMEOUT_MS/);
  held.release();
  t.equal((await first).status, 200);
  t.same(held.questions, ['marker-first']);
  t.same(await settled(program), IDLE);
});

t.test('however a request ends, its place is free again', async (t) => {
  let play: (asked: Asked) => unknown = (asked) => sendAnswer(asked, 'Hello there!');
  const upstream = await startUpstream(t, { conversation: (asked) => void play(asked) });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    MAX_INFLIGHT: '1',
    MAX_QUEUE: '0',
    MAX_BODY_BYTES: '10000',
    RETRY_TIMES: '0',
    FIRST_TOKEN_TIMEOUT_MS: '300',
  });
  const { port } = program;
  const post = async (body: string, path?: string): Promise<number> =>
    (await ask(port, { body, ...(path !== undefined && { path }) })).status;
  const sends = async (bytes: string, seen: string | null): Promise<null> => {
    const client = await dial(t, port);
    client.socket.write(bytes);
    t.ok(await inside(program, 1));
    if (seen !== null) t.ok(await until(() => client.text().includes(seen)));
    client.socket.destroy();
    return null;
  };
  const upstreamDoes = (how: typeof play, end: () => Promise<number | null>) => () => {
    play = how;
    return end();
  };
  const asks = async (): Promise<number> => (await askChat(port)).status;
  const streams = (asked: Asked): void => {
    openStream(asked);
    stream(asked, event('It began'));
  };
  const endings: Readonly<Record<string, [() => Promise<number | null>, number | null]>> = {
    'no JSON': [() => post('{'), 400],
    'no messages': [() => post('{}'), 400],
    'too large': [() => post(' '.repeat(20_000)), 413],
    'no image wanted': [() => post('{}', '/v1/images/generations'), 400],
    'the body breaks off': [() => sends(chatBytes().slice(0, -9), null), null],
    'upstream does not know the model': [
      upstreamDoes((asked) => sendJson(asked, 404, { detail: { code: 'model_not_found' } }), asks),
      404,
    ],
    'upstream is unwell': [upstreamDoes((asked) => sendJson(asked, 500, {}), asks), 502],
    'upstream says nothing': [upstreamDoes(() => undefined, asks), 504],
    'the client leaves while upstream thinks': [
      upstreamDoes(
        () => undefined,
        () => sends(chatBytes(), null),
      ),
      null,
    ],
    'the client leaves its stream': [upstreamDoes(streams, () => sends(chatBytes(), 'It began')), null],
    'the stream is complete': [
      upstreamDoes(
        (asked) => sendAnswer(asked, 'Hello there!'),
        async () => (await askChat(port, { stream: true })).status,
      ),
      200,
    ],
  };
  for (const [name, [end, status]] of Object.entries(endings)) {
    t.equal(await end(), status, name);
    t.same(await settled(program), IDLE, name);
    play = (asked) => sendAnswer(asked, 'Hello there!');
    t.equal((await askChat(port)).status, 200, `${name}: the next one is served`);
  }
});

t.test('draining refuses at once who waits for a place, and lets those inside finish', async (t) => {
  const held = createHeld();
  const upstream = await startUpstream(t, { conversation: held.play });
  const env = { MAX_INFLIGHT: '1', MAX_QUEUE: '5', DRAIN_TIMEOUT_MS: '20000', RETRY_TIMES: '0' };
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, ...env });
  const first = askMarked(program.port, 'first');
  t.ok(await until(() => held.questions.length === 1));
  const waiting = [askMarked(program.port, 'a'), askMarked(program.port, 'b')];
  t.ok(await inside(program, 3));
  const startedAt = performance.now();
  const closed = program.app.close();
  for (const answer of await Promise.all(waiting)) isRefused(t, answer, 'shutting_down', /./);
  t.ok(performance.now() - startedAt < 10_000, 'long before the end of the drain');
  t.equal(program.app.inflight.requests, 1);
  held.release();
  t.equal((await first).status, 200);
  await closed;
  t.same(held.questions, ['marker-first'], 'no place was given to who was refused');
  t.same(await settled(program), IDLE);
});

t.test('draining refuses at once who waits for an account, and lets the others finish', async (t) => {
  const held = createHeld();
  const upstream = await startUpstream(t, { conversation: held.play });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    AUTHORIZATION: KEY,
    ADMIN_KEY,
    ACCOUNT_CONCURRENCY: '1',
    PRESOLVE: '0',
    DRAIN_TIMEOUT_MS: '20000',
  });
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'text/plain' };
  await ask(program.port, { path: '/admin/accounts', headers, body: 'eyJhbGciOi.only-account.x' });
  const asked = [askChat(program.port, { token: KEY })];
  t.ok(await until(() => held.questions.length === 1));
  asked.push(askChat(program.port, { token: KEY }));
  t.ok(await inside(program, 2));
  t.ok(await untilFigure(program.port, 'chat2api_waiting{for="account"}', 1));
  const closed = program.app.close();
  isRefused(t, (await asked[1]) as Answer, 'shutting_down', /./);
  held.release();
  t.equal((await asked[0])?.status, 200);
  await closed;
  t.same(await settled(program), IDLE);
});

async function untilFigure(port: number, line: string, value: number): Promise<boolean> {
  for (let tries = 0; tries < 300; tries += 1) {
    if ((await figure(port, line)) === value) return true;
    await sleep(10);
  }
  return false;
}

/** A sample that the test sets. */
function createForced(): Pressure & { loopDelayMs: number } {
  return {
    loopDelayMs: 0,
    get sample() {
      return { loopDelayMs: this.loopDelayMs, heapShare: 0, memoryShare: 0 };
    },
    reason() {
      return pressureReason(this.sample);
    },
    stop: () => {},
  };
}

/** The head of a request whose body never comes. */
function bodiless(path: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n`;
}

async function stillServes(t: Test, port: number): Promise<void> {
  for (const path of ['/healthz', '/readyz', '/metrics', '/v1/models']) {
    t.equal((await ask(port, { method: 'GET', path })).status, 200, path);
  }
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  t.equal((await ask(port, { method: 'GET', path: '/admin/exits', headers })).status, 200, 'admin');
}

/** New work is refused before anything of it was read. */
async function refusesEarly(t: Test, port: number, why: RegExp): Promise<void> {
  for (const path of ['/v1/chat/completions', '/v1/images/generations']) {
    const client = await dial(t, port);
    client.socket.write(bodiless(path));
    t.ok(await until(() => client.text().includes('proxy_overloaded')), `${path}: refused without its body`);
    t.match(client.text(), /^HTTP\/1\.1 503 /);
    t.match(client.text(), why);
    t.match(client.text(), /\r\nretry-after: \d+\r\n/i);
    client.socket.destroy();
  }
}

t.test('under pressure new chats are refused early, and everything else is served', async (t) => {
  const held = createHeld();
  const upstream = await startUpstream(t, { conversation: held.play });
  const pressure = createForced();
  const env = { CHATGPT_BASE_URL: upstream.origin, ADMIN_KEY, RETRY_TIMES: '0' };
  const program = await startProgram(t, env, { pressure });
  const before = askMarked(program.port, 'before');
  t.ok(await until(() => held.questions.length === 1));
  pressure.loopDelayMs = 900;
  await refusesEarly(t, program.port, /runs 900 ms late/);
  t.equal(await figure(program.port, 'chat2api_loop_delay_seconds'), 0.9);
  await stillServes(t, program.port);
  held.release();
  t.equal((await before).status, 200, 'what had begun goes on');
  pressure.loopDelayMs = 10;
  const after = askMarked(program.port, 'after');
  t.ok(await until(() => held.questions.length === 2));
  held.release();
  t.equal((await after).status, 200);
  t.same(await settled(program), IDLE);
});

t.test('when proofs pile up new chats are refused early, until the threads have caught up', async (t) => {
  let difficulty = '00000000000000ff';
  const upstream = await startUpstream(t, {
    requirements: (asked) => sendJson(asked, 200, requirements(difficulty)),
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    ADMIN_KEY,
    POW_DIFFICULTY: '0000000000000001',
    QUEUE_TIMEOUT_MS: '10000',
    RETRY_TIMES: '0',
  });
  const client = await dial(t, program.port);
  client.socket.write(chatBytes());
  t.ok(await until(() => program.app.inflight.proofsRunning === 1));
  await refusesEarly(t, program.port, /POW_THREADS/);
  await stillServes(t, program.port);
  client.socket.destroy();
  t.same(await settled(program), IDLE);
  difficulty = '0fffff';
  t.equal((await askChat(program.port)).status, 200);
});

t.test('a refusal leaves its connection fit for more, also with the body behind it', async (t) => {
  const upstream = await startUpstream(t);
  const pressure = createForced();
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin }, { pressure });
  pressure.loopDelayMs = 900;
  const client = await dial(t, program.port);
  const messages = [{ role: 'user', content: 'x'.repeat(300_000) }];
  client.socket.write(chatBytes({ fields: { messages } }));
  t.ok(await until(() => client.text().includes('proxy_overloaded')));
  client.socket.write(get('/healthz'));
  t.ok(await until(() => client.text().includes('{"status":"ok"}')));
  t.equal(program.app.inflight.requests, 0);
});

t.test('a stream that is open when the drain ends is told so, and its place is free', async (t) => {
  let asked: Asked | null = null;
  const upstream = await startUpstream(t, {
    conversation(one) {
      asked = one;
      openStream(one);
      stream(one, event('It began'));
    },
  });
  const env = { MAX_INFLIGHT: '1', DRAIN_TIMEOUT_MS: '100', CHATGPT_BASE_URL: upstream.origin };
  const program = await startProgram(t, env);
  const answer = askChat(program.port, { stream: true });
  t.ok(await until(() => asked !== null));
  await program.app.close();
  t.equal(errorOf(await answer)?.code, 'shutting_down');
  t.notMatch(dataOf((await answer).text).at(-1), '[DONE]');
  t.same(await settled(program), IDLE);
});
