import '../helpers/bare-threads.ts';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import type { Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import type { Clearance, Session } from '../../src/chat/ports.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createLocalSearch } from '../../src/sentinel/search-here.ts';
import { createClearance } from '../../src/sentinel/clearance.ts';
import type { ClearanceOptions } from '../../src/sentinel/clearance.ts';
import type { Search } from '../../src/sentinel/search-order.ts';
import { passes } from '../../src/sentinel/proof.ts';
import { createProofPool } from '../../src/threads/pool.ts';
import { parseLanding } from '../../src/upstream/landing.ts';

const AGENT = 'Mozilla/5.0 (Test) Sim/1.0';
const PAGE =
  '<!DOCTYPE html><html data-build="prod-1"><head><script src="https://cdn/a.js"></script></head></html>';
const never = new AbortController().signal;

interface Seen {
  readonly path: string;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
  readonly socket: Socket;
}

/** What the stand-in answers, by path; null: nothing, ever. */
type Answers = Record<string, null | string | { status: number; body: string }>;

const NOT_FOUND = { status: 404, body: '' };

interface Backend {
  readonly origin: string;
  readonly server: Server;
  readonly seen: Seen[];
}

async function startBackend(t: Test, answers: Answers): Promise<Backend> {
  const seen: Seen[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { url: path = '', headers, socket } = request;
    seen.push({ path, headers, socket, body: Buffer.concat(chunks).toString() });
    server.emit('seen');
    const answer = answers[path.replace(/^\/backend-(api|anon)/, '')];
    if (answer === null) return;
    const { status, body } =
      typeof answer === 'string' ? { status: 200, body: answer } : (answer ?? NOT_FOUND);
    response.writeHead(status, { 'content-type': path === '/' ? 'text/html' : 'application/json' }).end(body);
  };
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, seen };
}

const pool = createProofPool({ threads: 1, maxQueue: 8, queueTimeoutMs: 20_000, timeoutMs: 20_000 });
t.teardown(() => pool.destroy());

type Clear = (
  origin: string,
  token?: string | null,
  signal?: AbortSignal,
  slug?: string,
) => Promise<Clearance>;

const DEFAULTS = {
  profile: { userAgent: AGENT, authKey: null },
  pool,
  arkoseServices: [],
  hardestDifficulty: '000032',
  conversationOnly: false,
  modelLists: null,
  searchOrder: { choose: (): Search => 'tail' },
  searchHere: createLocalSearch().search,
  nowMs: Date.now,
  random: Math.random,
  newId: randomUUID,
} as const;

function open(t: Test, overrides: Partial<ClearanceOptions> = {}): Clear {
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(() => exits.destroy());
  const { clear } = createClearance({ ...DEFAULTS, exchange: createExchange(exits), ...overrides });
  return (origin, token = null, signal = never, slug = 'auto') =>
    clear(sessionOf(origin, token), turnOf(slug), signal);
}

function sessionOf(origin: string, token: string | null): Session {
  const identity = { token, accountId: null };
  return { origin, identity, account: null, deviceId: 'a-device', exit: DIRECT };
}

const turnOf = (slug: string): Turn => ({
  model: { slug, gizmoId: null },
  messages: [],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
});

async function failure(attempt: Promise<unknown>): Promise<ChatError> {
  const [result] = await Promise.allSettled([attempt]);
  if (result?.status === 'rejected' && result.reason instanceof ChatError) return result.reason;
  throw new Error('expected a ChatError');
}

const REQUIREMENTS = '/sentinel/chat-requirements';
const wants = (fields: object): string =>
  JSON.stringify({ persona: 'chatgpt-noauth', token: 'gAAAAABtoken', ...fields });
const proof = (difficulty: unknown, seed: unknown = '0.42'): object => ({
  proofofwork: { required: true, seed, difficulty },
});

t.test('landing page, requirements, proof: each as the backend checks it', async (t) => {
  const turnstile = { turnstile: { required: true, dx: 'x' }, so: { required: true } };
  const backend = await startBackend(t, {
    '/': PAGE,
    [REQUIREMENTS]: wants({ ...proof('00FFFF'), ...turnstile }),
  });
  const clear = open(t);
  const clearance = await clear(backend.origin);
  t.match(clearance, { requirementsToken: 'gAAAAABtoken', arkoseToken: null });
  t.ok(clearance.proofToken?.startsWith('gAAAAAB'));
  const base64 = clearance.proofToken?.slice(7) ?? '';
  t.ok(passes(createHash('sha3-512').update(`0.42${base64}`).digest(), '00ffff'));
  const entries = JSON.parse(Buffer.from(base64, 'base64').toString()) as unknown[];
  t.match(entries, { 4: AGENT, 5: 'https://cdn/a.js', 6: 'prod-1' });
  const [landing, call] = backend.seen;
  t.match(landing, { path: '/', headers: { 'user-agent': AGENT } });
  t.match(call, { path: `/backend-anon${REQUIREMENTS}`, headers: { 'oai-device-id': 'a-device' } });
  t.match((JSON.parse(call?.body ?? '') as { p: string }).p, /^gAAAAAC[A-Za-z0-9+/=]+$/);
  await clear(backend.origin, 'a-token');
  t.equal(backend.seen.length, 3, 'the page is fetched once');
  t.match(backend.seen[2], {
    path: `/backend-api${REQUIREMENTS}`,
    headers: { authorization: 'Bearer a-token' },
  });
});

t.test('what takes a few tries only needs no thread, and comes out right', async (t) => {
  const idle = { solve: () => Promise.reject(new Error('no thread was needed')) };
  const clear = open(t, { pool: idle });
  for (let seed = 0; seed < 20; seed += 1) {
    const wanted = wants(proof('4fffff', String(seed)));
    const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wanted });
    const { proofToken, search } = await clear(backend.origin);
    const digest = createHash('sha3-512').update(seed + (proofToken ?? '').slice(7));
    t.ok(passes(digest.digest(), '4fffff'));
    t.ok(search);
  }
  const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants(proof('03ffff')) });
  await t.rejects(clear(backend.origin), /no thread/, 'a harder one goes to a thread');
});

t.test('what is prepared says for how long it is good, and is for free', async (t) => {
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(() => exits.destroy());
  const urgencies: (string | undefined)[] = [];
  const clearances = createClearance({
    ...DEFAULTS,
    exchange: createExchange(exits),
    pool: {
      solve(puzzle, signal, urgency) {
        urgencies.push(urgency);
        return pool.solve(puzzle, signal, urgency);
      },
    },
    arkoseServices: ['http://127.0.0.1:1/'],
    nowMs: () => 1_000_000,
  });
  const prepare = async (fields: object) => {
    const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants(fields) });
    return clearances.prepare(sessionOf(backend.origin, 'a-token'), never);
  };
  const lifetimes: [object, number][] = [
    [{ expire_after: 120, expire_at: 5 }, 120_000],
    [{ expire_at: 1_100 }, 100_000],
    [{ expire_at: 1 }, 0],
    [{ expire_after: 'soon', expire_at: -1 }, 540_000],
  ];
  for (const [fields, lifetimeMs] of lifetimes) {
    const prepared = await prepare(fields);
    t.ok(Math.abs((prepared?.lifetimeMs ?? NaN) - lifetimeMs) < 5_000, JSON.stringify(fields));
  }
  const prepared = await prepare(proof('00ffff'));
  t.match(prepared, { clearance: { proofToken: /^gAAAAAB/, arkoseToken: null, deviceId: 'a-device' } });
  t.same(urgencies, ['background']);
  t.equal(await prepare({ arkose: { required: true } }), null);
  if (prepared === null) return;
  const session = sessionOf('http://a', 'a-token');
  t.equal(await clearances.adopt(prepared, session, turnOf('auto'), never), prepared.clearance);
  t.equal(await clearances.adopt({ ...prepared, search: 'nonce' }, session, turnOf('auto'), never), null);
  const closed = clearances.adopt(prepared, session, turnOf('gpt-4'), never);
  await t.rejects(closed, { code: 'model_not_found' });
});

t.test('absent blocks ask for nothing, and a missing page stops nobody', async (t) => {
  const backend = await startBackend(t, {
    '/': { status: 500, body: '' },
    [REQUIREMENTS]: wants({ arkose: {}, force_login: false }),
  });
  const expected = { requirementsToken: 'gAAAAABtoken', proofToken: null, arkoseToken: null };
  t.same(await open(t)(backend.origin), expected);
});

t.test('CONVERSATION_ONLY asks nobody', async (t) => {
  const clear = open(t, { conversationOnly: true });
  const nothing = { requirementsToken: null, proofToken: null, arkoseToken: null };
  t.same(await clear('http://127.0.0.1:1'), nothing);
});

t.test('what the requirements call can go wrong with', async (t) => {
  const cases: [string | { status: number; body: string }, object][] = [
    [wants({ force_login: true }), { code: 'anonymous_unavailable' }],
    [wants({ token: null }), { code: 'upstream_protocol_error', message: /token/ }],
    [wants({ token: 'a\nb' }), { code: 'upstream_protocol_error' }],
    [wants(proof('xyz')), { code: 'upstream_protocol_error', message: /difficulty/ }],
    [wants(proof('0fffff', 7)), { code: 'upstream_protocol_error', message: /seed/ }],
    [wants(proof('000032')), { code: 'pow_difficulty_too_high', message: /000032/ }],
    [wants(proof('000001')), { code: 'pow_difficulty_too_high' }],
    ['[]', { code: 'upstream_protocol_error', message: /JSON object/ }],
    ['<div class="cf-please-wait">', { code: 'upstream_challenge' }],
    [{ status: 401, body: '{"detail":"Unauthorized"}' }, { code: 'anonymous_unavailable' }],
    [{ status: 429, body: '{"detail":"Too many requests"}' }, { code: 'rate_limit_exceeded' }],
    [wants({ arkose: { required: true, dx: 'x' } }), { code: 'arkose_required' }],
  ];
  for (const [answer, expected] of cases) {
    const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: answer });
    t.match(await failure(open(t)(backend.origin)), expected, JSON.stringify(answer));
  }
});

t.test('Arkose is asked of the services in turn', async (t) => {
  const services = await startBackend(t, {
    '/good?k=1': '{"token":"an-arkose-token"}',
    '/unsolved': '{"token":"canary","solved":false}',
    '/garbage': 'canary',
  });
  const backend = await startBackend(t, {
    '/': PAGE,
    [REQUIREMENTS]: wants({ arkose: { required: true, dx: 'a blob' }, ...proof('0fffff') }),
  });
  const arkoseServices = ['/good?k=1', '/unsolved', '/garbage'].map((path) => services.origin + path);
  const clear = open(t, { arkoseServices });
  t.match(await clear(backend.origin, 'x'), { arkoseToken: 'an-arkose-token', proofToken: /^gAAAAAB/ });
  t.equal(services.seen[0]?.body, '{"blob":"a blob"}');
  for (const entry of [2, 3]) {
    const error = await failure(clear(backend.origin, 'x'));
    t.match(error, { code: 'arkose_failed', message: new RegExp(`entry ${entry}`) });
    t.notMatch(error.message, /canary|127/);
  }
});

t.test('who leaves ends every step', async (t) => {
  const hard = wants(proof('000001', '0.1'));
  const steps: [string, Answers, Partial<ClearanceOptions>][] = [
    ['landing', { '/': null }, {}],
    ['requirements', { '/': PAGE, [REQUIREMENTS]: null }, {}],
    ['arkose', { '/': PAGE, [REQUIREMENTS]: wants({ arkose: { required: true } }), '/arkose': null }, {}],
    ['proof', { '/': PAGE, [REQUIREMENTS]: hard }, { hardestDifficulty: '000000' }],
  ];
  for (const [name, answers, overrides] of steps) {
    const backend = await startBackend(t, answers);
    const leaving = new AbortController();
    const clear = open(t, { arkoseServices: [`${backend.origin}/arkose`], ...overrides });
    const waiting = clear(backend.origin, null, leaving.signal);
    const hangs = { landing: 1, requirements: 2, arkose: 3, proof: 2 }[name] ?? 0;
    while (backend.seen.length < hangs) await once(backend.server, 'seen');
    while (name === 'proof' && pool.running === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const hanging = backend.seen.at(-1)?.socket;
    const freed = name === 'proof' || hanging === undefined ? null : once(hanging, 'close');
    const startMs = performance.now();
    leaving.abort();
    await t.rejects(waiting, { name: 'AbortError' }, name);
    await freed;
    while (pool.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    t.ok(performance.now() - startMs < 1_000, name);
  }
});

t.test('one page serves many, and one who leaves does not take it from the others', async (t) => {
  const backend = await startBackend(t, { '/': null, [REQUIREMENTS]: wants({}) });
  const clear = open(t, { landingTimeoutMs: 500 });
  const leaving = new AbortController();
  const first = clear(backend.origin, null, leaving.signal);
  const second = clear(backend.origin);
  await once(backend.server, 'seen');
  leaving.abort();
  await t.rejects(first, { name: 'AbortError' });
  t.match(await second, { requirementsToken: 'gAAAAABtoken' }, 'after the page had its time');
  t.same(
    backend.seen.map(({ path }) => path),
    ['/', `/backend-anon${REQUIREMENTS}`],
  );
});

t.test('slow requirements have their own deadline', async (t) => {
  const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: null });
  const error = await failure(open(t, { requirementsTimeoutMs: 100 })(backend.origin));
  t.match(error, { code: 'upstream_timeout', message: /chat-requirements/ });
});

t.test('the build id is found where each age of the page has it', (t) => {
  const dpl = '<script src=https://cdn/_ssgManifest.js?dpl=01ab defer></script>';
  t.same(parseLanding(`<html>${dpl}`), {
    scripts: ['https://cdn/_ssgManifest.js?dpl=01ab'],
    buildId: 'dpl=01ab',
  });
  t.match(parseLanding(`<html>${dpl}<script async src='/c/7f/_a.js'>`), { buildId: 'c/7f/_' });
  t.match(parseLanding(`<html lang=en data-build=prod-2>${dpl}`), { buildId: 'prod-2' });
  t.equal(parseLanding('<html><script>1</script></html>'), null);
  t.end();
});

t.test('a model for paying accounts only is refused to others, before any work is done', async (t) => {
  const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants(proof('00FFFF')) });
  const clear = open(t, { pool: { solve: () => Promise.reject(new Error('no proof was asked for')) } });
  for (const slug of ['gpt-4', 'o1-preview']) {
    const error = await failure(clear(backend.origin, null, never, slug));
    t.match(
      error,
      { code: 'model_not_found', param: 'model', retryable: true, message: slug },
      'another account may have it',
    );
  }
  for (const persona of ['chatgpt-paid', undefined]) {
    const paid = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants({ persona }) });
    t.match(await open(t)(paid.origin, 'a-token', never, 'gpt-4'), { requirementsToken: 'gAAAAABtoken' });
  }
  const free = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants({}) });
  t.match(await open(t)(free.origin, null, never, 'gpt-4o'), { requirementsToken: 'gAAAAABtoken' });
});

t.test('CHECK_MODEL: a slug must be part of one that upstream lists', async (t) => {
  const listed: (readonly string[] | ChatError)[] = [];
  const modelLists = { list: () => Promise.resolve(listed.shift() ?? []) };
  const backend = await startBackend(t, { '/': PAGE, [REQUIREMENTS]: wants({}) });
  const check = (list: readonly string[] | ChatError, slug: string): Promise<Clearance> => {
    listed.push(list);
    return open(t, { modelLists })(backend.origin, null, never, slug);
  };
  t.match(
    await check(['gpt-4o', 'auto'], 'gpt-4'),
    { requirementsToken: 'gAAAAABtoken' },
    'persona is not asked',
  );
  const asked = backend.seen.length;
  t.match(await failure(check(['gpt-4o', 'auto'], 'o1')), { code: 'model_not_found', message: /`o1`/ });
  const unavailable = new ChatError('model_not_found', 'no list');
  t.equal(await failure(check(unavailable, 'auto')), unavailable);
  t.equal(backend.seen.length, asked, 'nothing else is asked then');
  const skipped = open(t, { modelLists, conversationOnly: true });
  t.match(await skipped(backend.origin, null, never, 'o1'), { requirementsToken: null });
});
