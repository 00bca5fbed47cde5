import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { threadId } from 'node:worker_threads';
import { ask, askChat, chatBytes, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Env } from '../../src/config.ts';
import type { Program } from '../helpers/program.ts';
import {
  comesToRest,
  event,
  flood,
  openStream,
  requirements,
  sendAnswer,
  sendJson,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Asked, Flood, Upstream, UpstreamParts } from '../helpers/upstream.ts';
import { dial, until } from '../http/serve.ts';

/** The promise is 100 ms (50 for a proof); a shared machine may lose some more. */
const SOON_MS = 1_500;
/** Beyond what any machine finds while a test runs. */
const HOPELESS = '00000000000000ff';
const ENV = { POW_DIFFICULTY: '0000000000000001', RETRY_TIMES: '3' };

const ADMIN_KEY = 'admin-key';
const POOL_KEY = 'sk-pool';
/** As long as the real ones are. */
const REFRESH_TOKEN = 'r'.repeat(45);
const OWN_TOKEN = 'eyJhbGciOi.own.x';
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const WITH_PICTURE = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PIXEL } }] }];

const hold = (): void => undefined;
const hopelessAfterFirst = (asked: Asked, nth: number): void =>
  sendJson(asked, 200, requirements(nth === 1 ? '00ffff' : HOPELESS));

function streamForever(asked: Asked): void {
  openStream(asked);
  let text = '';
  const timer = setInterval(() => stream(asked, event((text += 'word '))), 5);
  asked.socket.once('close', () => clearInterval(timer));
}

interface Phase {
  readonly name: string;
  readonly parts: UpstreamParts;
  readonly request?: string;
  /** A chat before the one that counts: a thread takes its time to start. */
  readonly warmsUp?: true;
  /** The client has come to the phase. */
  readonly reached: (world: World) => boolean;
  /** The call that must be cut, where there is one. */
  readonly cut?: string;
}

interface World {
  readonly program: Program;
  readonly upstream: Upstream;
  readonly received: string;
}

const PHASES: readonly Phase[] = [
  {
    name: 'body half sent',
    parts: {},
    request: chatBytes().slice(0, -10),
    reached: ({ program }) => program.app.inflight.requests === 1,
  },
  {
    name: 'landing page pending',
    parts: { landing: hold },
    reached: ({ upstream }) => upstream.asked.length === 1,
    cut: '/',
  },
  {
    name: 'requirements pending',
    parts: { requirements: hold },
    reached: ({ upstream }) => upstream.askedAt('requirements').length === 1,
    cut: 'requirements',
  },
  {
    name: 'proof running',
    parts: { requirements: hopelessAfterFirst },
    warmsUp: true,
    reached: ({ program }) => program.app.inflight.proofsRunning === 1,
  },
  {
    name: 'headers of the conversation pending',
    parts: { conversation: hold },
    reached: ({ upstream }) => upstream.askedAt('conversation').length === 1,
    cut: 'conversation',
  },
  {
    name: 'before the first token',
    parts: { conversation: openStream },
    reached: ({ received }) => received.includes(': ok'),
    cut: 'conversation',
  },
  {
    name: 'streaming',
    parts: { conversation: streamForever },
    reached: ({ received }) => received.includes('word'),
    cut: 'conversation',
  },
  {
    name: 'file on its way up',
    parts: { landing: (asked) => (asked.path.endsWith('/files') ? undefined : sendJson(asked, 404, {})) },
    request: chatBytes({ stream: true, token: OWN_TOKEN, fields: { messages: WITH_PICTURE } }),
    reached: ({ upstream }) => upstream.askedAt('/files').length === 1,
    cut: '/files',
  },
  {
    name: 'model list pending',
    parts: { landing: (asked) => (asked.path.includes('/models') ? undefined : sendJson(asked, 404, {})) },
    request: chatBytes({ stream: true, token: OWN_TOKEN, fields: { model: 'a-model-of-its-own' } }),
    reached: ({ upstream }) => upstream.asked.some(({ path }) => path.includes('/models')),
    cut: '',
  },
  {
    name: 'error body pending',
    parts: {
      conversation: ({ socket }) =>
        void socket.write('HTTP/1.1 500 X\r\ncontent-type: text/html\r\ncontent-length: 99\r\n\r\n<html>'),
    },
    reached: ({ upstream }) => upstream.askedAt('conversation').length === 1,
    cut: 'conversation',
  },
];

for (const phase of PHASES) {
  t.test(`a client leaves: ${phase.name}`, async (t) => {
    const upstream = await startUpstream(t, phase.parts);
    const program = await startProgram(t, { ...ENV, CHATGPT_BASE_URL: upstream.origin });
    if (phase.warmsUp) t.equal((await askChat(program.port)).status, 200);
    const client = await dial(t, program.port);
    client.socket.write(phase.request ?? chatBytes());
    t.ok(await until(() => phase.reached({ program, upstream, received: client.text() })), 'phase reached');
    await leave(t, program, () => client.socket.destroy());
    if (phase.cut !== undefined) await isCut(t, upstream, phase.cut);
    t.match(program.logged().at(-1), { msg: 'request', outcome: 'client_gone' });
    const asked = upstream.asked.length;
    await sleep(150);
    t.equal(upstream.asked.length, asked, 'nothing more is asked');
  });
}

/** Everything is free soon after `go`. */
async function leave(t: Test, program: Program, go: () => unknown): Promise<void> {
  const before = program.app.inflight.requests;
  t.ok(before > 0, 'a request is under way');
  const startedAt = performance.now();
  go();
  t.same(await settled(program), IDLE);
  const tookMs = performance.now() - startedAt;
  t.comment(`free after ${tookMs.toFixed(1)} ms`);
  t.ok(tookMs < SOON_MS, 'all free in time');
}

async function isCut(t: Test, upstream: Upstream, end: string): Promise<void> {
  const startedAt = performance.now();
  const closedAt = await Promise.race([upstream.askedAt(end).at(-1)?.closed, sleep(15_000, Infinity)]);
  t.ok((closedAt ?? Infinity) - startedAt < SOON_MS, "upstream's connection is closed");
}

t.test('a client leaves while it reads nothing and upstream is paused', async (t) => {
  const floods: Flood[] = [];
  const upstream = await startUpstream(t, { conversation: (asked) => void floods.push(flood(asked)) });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  for (const how of ['destroy', 'resetAndDestroy'] as const) {
    const client = await dial(t, program.port);
    client.socket.pause();
    client.socket.write(chatBytes());
    await comesToRest(() => floods.at(how === 'destroy' ? 0 : 1)?.taken() ?? 0);
    await leave(t, program, () => client.socket[how]());
    await isCut(t, upstream, 'conversation');
    t.match(program.logged().at(-1), { outcome: 'client_gone' });
  }
});

t.test('a client leaves while its proof waits for the thread; the thread stays the same', async (t) => {
  const upstream = await startUpstream(t, {
    requirements: (asked, nth) =>
      sendJson(asked, 200, requirements(nth === 2 || nth === 3 ? HOPELESS : '00ffff')),
  });
  const program = await startProgram(t, { ...ENV, CHATGPT_BASE_URL: upstream.origin });
  t.equal((await askChat(program.port)).status, 200);
  const threads = program.app.proofThreadIds;
  t.equal(threads.length, 1);
  t.not(threads[0], threadId);
  const running = await dial(t, program.port);
  running.socket.write(chatBytes());
  t.ok(await until(() => program.app.inflight.proofsRunning === 1));
  const queued = await dial(t, program.port);
  queued.socket.write(chatBytes());
  t.ok(await until(() => program.app.inflight.proofsQueued === 1));

  const startedAt = performance.now();
  queued.socket.destroy();
  t.ok(await until(() => program.app.inflight.proofsQueued === 0));
  t.ok(performance.now() - startedAt < SOON_MS);
  t.match(program.app.inflight, { requests: 1, leases: 1, proofsRunning: 1 }, 'the other goes on');

  await leave(t, program, () => running.socket.destroy());
  t.equal((await askChat(program.port)).status, 200, 'the thread serves the next proof');
  t.same(program.app.proofThreadIds, threads);
});

t.test('a client leaves between two attempts', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked) => sendJson(asked, 500, { detail: 'Something went wrong' }, 'retry-after: 2'),
  });
  const program = await startProgram(t, { ...ENV, CHATGPT_BASE_URL: upstream.origin });
  const client = await dial(t, program.port);
  client.socket.write(chatBytes());
  t.ok(await until(() => upstream.askedAt('conversation').length === 1 && program.app.inflight.leases === 0));
  await leave(t, program, () => client.socket.destroy());
  await sleep(2_300);
  t.equal(upstream.askedAt('conversation').length, 1, 'there is no second attempt');
});

t.test('clients that leave between two attempts leave the budget of retries as it was', async (t) => {
  let fails = true;
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) => {
      if (fails || nth % 2 === 1) sendJson(asked, 500, { detail: 'Something went wrong' }, 'retry-after: 1');
      else sendAnswer(asked, 'Hello there!');
    },
  });
  const program = await startProgram(t, { ...ENV, RETRY_TIMES: '1', CHATGPT_BASE_URL: upstream.origin });
  for (let nth = 1; nth <= 4; nth += 1) {
    const client = await dial(t, program.port);
    client.socket.write(chatBytes());
    t.ok(await until(() => upstream.askedAt('conversation').length === nth));
    t.ok(await until(() => program.app.inflight.leases === 0));
    await leave(t, program, () => client.socket.destroy());
  }
  fails = false;
  t.equal((await askChat(program.port)).status, 200, 'there is a retry for who comes next');
});

/** The program with so many accounts, of which each takes one chat at a time. */
async function startWithAccounts(
  t: Test,
  upstream: Upstream,
  credentials: string,
  env: Env = {},
): Promise<Program> {
  const program = await startProgram(t, {
    ...ENV,
    CHATGPT_BASE_URL: upstream.origin,
    AUTHORIZATION: POOL_KEY,
    ADMIN_KEY,
    ACCOUNT_CONCURRENCY: '1',
    PRESOLVE: '0',
    ...env,
  });
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'text/plain' };
  const { status } = await ask(program.port, { path: '/admin/accounts', headers, body: credentials });
  t.equal(status, 200);
  return program;
}

const pooled = (): string => chatBytes({ stream: true, token: POOL_KEY });

async function waitingFor({ port }: Program, what: string): Promise<number> {
  const { text } = await ask(port, { method: 'GET', path: '/metrics' });
  return Number(new RegExp(`^chat2api_waiting\\{for="${what}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

async function untilWaiting(program: Program, what: string, count: number): Promise<boolean> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if ((await waitingFor(program, what)) === count) return true;
    await sleep(10);
  }
  return false;
}

t.test('a client leaves while it waits for an account', async (t) => {
  const upstream = await startUpstream(t, { conversation: streamForever });
  const program = await startWithAccounts(t, upstream, 'eyJhbGciOi.only.x');
  const first = await dial(t, program.port);
  first.socket.write(pooled());
  t.ok(await until(() => first.text().includes('word')));
  const [leaver, stayer] = [await dial(t, program.port), await dial(t, program.port)];
  leaver.socket.write(pooled());
  t.ok(await untilWaiting(program, 'account', 1));
  stayer.socket.write(pooled());
  t.ok(await untilWaiting(program, 'account', 2));
  leaver.socket.destroy();
  t.ok(await untilWaiting(program, 'account', 1), 'its place in the queue is free');
  t.equal(upstream.askedAt('conversation').length, 1);
  first.socket.destroy();
  t.ok(await until(() => stayer.text().includes('word')), 'who stayed gets the account');
  await leave(t, program, () => stayer.socket.destroy());
  t.equal(upstream.askedAt('conversation').length, 2);
});

t.test('a client leaves while it waits for a place', async (t) => {
  const upstream = await startUpstream(t, { conversation: streamForever });
  const env = { ...ENV, CHATGPT_BASE_URL: upstream.origin, MAX_INFLIGHT: '1', MAX_QUEUE: '1' };
  const program = await startProgram(t, env);
  const first = await dial(t, program.port);
  first.socket.write(chatBytes());
  t.ok(await until(() => first.text().includes('word')));
  for (const request of [chatBytes(), chatBytes().slice(0, -9)]) {
    const leaver = await dial(t, program.port);
    leaver.socket.write(request);
    t.ok(await untilWaiting(program, 'place', 1));
    leaver.socket.destroy();
    t.ok(await untilWaiting(program, 'place', 0), 'another one may wait');
    t.match(program.app.inflight, { requests: 1, leases: 1 }, 'the first goes on');
  }
  await leave(t, program, () => first.socket.destroy());
  t.equal(upstream.askedAt('conversation').length, 1);
});

t.test('a client leaves while its account gets a new token', async (t) => {
  const upstream = await startUpstream(t, {
    landing: (asked) => (asked.path === '/oauth/token' ? undefined : sendJson(asked, 404, {})),
  });
  const env = { OAUTH_TOKEN_URL: `${upstream.origin}/oauth/token` };
  const program = await startWithAccounts(t, upstream, REFRESH_TOKEN, env);
  const client = await dial(t, program.port);
  client.socket.write(pooled());
  t.ok(await until(() => upstream.askedAt('/oauth/token').length === 1));
  t.equal(await busyAccounts(program), 1);
  client.socket.destroy();
  t.ok(await until(() => program.app.inflight.requests === 0, SOON_MS));
  t.equal(await busyAccounts(program), 0, 'the account is free');
  const [exchange] = upstream.askedAt('/oauth/token');
  t.notOk(
    exchange?.socket.destroyed,
    'the exchange goes on: its answer may be the only copy of the next token',
  );
});

/** Chats that the accounts are busy with. */
async function busyAccounts({ port }: Program): Promise<number> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  const { text } = await ask(port, { method: 'GET', path: '/admin/accounts', headers });
  const { data } = JSON.parse(text) as { data: readonly { inFlight: number }[] };
  return data.reduce((sum, { inFlight }) => sum + inFlight, 0);
}

t.test('a client leaves while proofs are prepared for chats to come', async (t) => {
  const upstream = await startUpstream(t, {
    requirements: (asked, nth) => sendJson(asked, 200, requirements(nth === 2 ? HOPELESS : '00ffff')),
    conversation: (asked, nth) => (nth === 1 ? sendAnswer(asked, 'Hello there!') : undefined),
  });
  const program = await startWithAccounts(t, upstream, 'eyJhbGciOi.only.x', { PRESOLVE: '1' });
  t.equal((await askChat(program.port, { token: POOL_KEY })).status, 200);
  t.ok(await until(() => program.app.inflight.proofsRunning === 1), 'what nobody waits for yet is searched');
  const client = await dial(t, program.port);
  client.socket.write(pooled());
  t.ok(await until(() => upstream.askedAt('conversation').length === 2), 'and holds up nobody');
  client.socket.destroy();
  await isCut(t, upstream, 'conversation');
  const free = { requests: 0, leases: 0, upstreamCalls: 0 };
  t.ok(
    await until(() => Object.keys(free).every((key) => program.app.inflight[key as keyof typeof free] === 0)),
  );
  t.match(program.app.inflight, { proofsRunning: 1, proofsQueued: 0 }, 'the preparing goes on');
  await program.app.close();
  t.same(await settled(program), IDLE, 'until the program ends');
});

t.test('one of several choices fails: the others end with it', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) =>
      nth === 3 ? sendJson(asked, 404, { detail: { code: 'model_not_found' } }) : openStream(asked),
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  t.match(await askChat(program.port, { fields: { n: 3 } }), { status: 404 });
  t.same(await settled(program), IDLE);
  for (const one of upstream.askedAt('conversation')) await one.closed;
});

t.test('many clients that come and go at random leave nothing behind', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) => [streamForever, hold, openStream, flood][nth % 4]?.(asked),
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const client = await dial(t, program.port);
      if (index % 3 === 0) client.socket.pause();
      client.socket.write(chatBytes());
      await sleep((index * 37) % 600);
      client.socket.destroy();
    }),
  );
  t.same(await settled(program), IDLE);
  t.ok(await until(() => upstream.asked.every(({ socket }) => socket.destroyed)));
  t.equal(program.logged().filter(({ msg }) => msg === 'request').length, 60);
});
