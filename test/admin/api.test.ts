import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import type { AccountView } from '../../src/admin/desk.ts';
import { LiveFeed } from '../../src/admin/live-feed.ts';
import { LiveStream } from '../../src/admin/live-stream.ts';
import type { LiveWriter } from '../../src/admin/live-stream.ts';
import { createAdminRoutes } from '../../src/admin/routes.ts';
import type { RequestSnapshot } from '../../src/http/request.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import type { AdminOptions } from '../../src/admin/routes.ts';
import { dial, get, serve, until } from '../http/serve.ts';
import type { Served } from '../http/serve.ts';
import { account, FakeDesk } from './fake-desk.ts';

const KEY = 'canary-admin-key-93e1b7';
const BEARER = { authorization: `Bearer ${KEY}` };

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

interface Room {
  readonly desk: FakeDesk;
  readonly served: Served;
  /** The clock that the room goes by. */
  readonly clock: { nowMs: number };
  readonly call: (
    method: string,
    path: string,
    headers?: Readonly<Record<string, string>>,
    body?: string | FormData,
  ) => Promise<Answer>;
}

/** All that was answered and logged, for the last test. */
const said: string[] = [];
const rooms: Served[] = [];

/** As behind one trusted reverse proxy. */
const proxies = new TrustedProxies(['127.0.0.1']);
const addressOf = (request: RequestSnapshot): string => proxies.clientOf(request);

/** A room behind a real server. */
async function openRoom(t: Test, options: Partial<AdminOptions> = {}): Promise<Room> {
  const desk = new FakeDesk();
  const clock = { nowMs: 1_800_000_000_000 };
  const prefix = options.prefix ?? '';
  const nowMs = (): number => clock.nowMs;
  const routes = createAdminRoutes({
    desk,
    adminKey: KEY,
    prefix,
    nowMs,
    addressOf,
    liveIntervalMs: 20,
    ...options,
  });
  const served = await serve(t, { routes, prefix });
  rooms.push(served);
  const call: Room['call'] = async (method, path, headers = BEARER, body) => {
    const url = `http://127.0.0.1:${served.port}${prefix}${path}`;
    const init: RequestInit = { method, headers, body: body ?? null, redirect: 'manual' };
    const answer = await fetch(url, init);
    const text = await answer.text();
    said.push(text, JSON.stringify([...answer.headers]));
    const isJson = answer.headers.get('content-type') === 'application/json' && text !== '';
    return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : {} };
  };
  return { desk, served, clock, call };
}

interface Login {
  readonly cookie: string;
  /** What the page sends with a change. */
  readonly page: Readonly<Record<string, string>>;
}

async function logIn(room: Room, prefix = ''): Promise<Login> {
  const json = { 'content-type': 'application/json' };
  const answer = await room.call('POST', '/admin/login', json, JSON.stringify({ key: KEY }));
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? `none${prefix}`;
  const csrf = String(answer.json['csrf']);
  return { cookie, page: { cookie, 'x-csrf-token': csrf, 'sec-fetch-site': 'same-origin' } };
}

const codeOf = ({ json }: Answer): unknown => (json['error'] as { code?: unknown } | undefined)?.code;

const GUARDED: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/admin/accounts'],
  ['POST', '/admin/accounts'],
  ['DELETE', '/admin/accounts?confirm=all'],
  ['GET', '/admin/accounts/export'],
  ['DELETE', '/admin/accounts/a'],
  ...['enable', 'disable', 'refresh', 'clear', 'check'].map(
    (action) => ['POST', `/admin/accounts/a/${action}`] as const,
  ),
  ['GET', '/admin/keys'],
  ['POST', '/admin/keys'],
  ['PATCH', '/admin/keys/a'],
  ['POST', '/admin/keys/a'],
  ['DELETE', '/admin/keys/a'],
  ['GET', '/admin/exits'],
  ['GET', '/admin/events'],
  ['POST', '/tokens/upload'],
  ['POST', '/tokens/clear'],
  ['POST', '/tokens/error'],
];

t.test('nothing is told or done without the key', async (t) => {
  const room = await openRoom(t);
  room.desk.put(account('a'));
  room.desk.putKey({ id: 'a' });
  for (const [method, path] of GUARDED) {
    const missing = await room.call(method, path, {});
    t.equal(missing.status, 401, `${method} ${path}`);
    t.equal(codeOf(missing), 'invalid_api_key');
    t.equal(missing.headers.get('cache-control'), 'no-store');
    const foreign = await room.call(method, path, { cookie: 'chat2api_admin=guess; other=1' });
    t.equal(foreign.status, 401, `${method} ${path} with an unknown session`);
  }
  t.same(room.desk.calls, []);
  t.equal(room.desk.accounts().length, 1);
  t.equal(room.desk.keys().length, 1);
});

t.test('accounts are listed, imported, acted upon, exported and removed', async (t) => {
  const { desk, call } = await openRoom(t);
  desk.put(account('aaaa', { workspace: '=1+1,"x"' }));
  const list = await call('GET', '/admin/accounts');
  t.match(list.json, { object: 'list', data: [{ id: 'aaaa', state: 'ready' }], summary: { waiting: 0 } });
  t.equal(list.headers.get('x-content-type-options'), 'nosniff');

  const added = await call(
    'POST',
    '/admin/accounts',
    { ...BEARER, 'content-type': 'text/plain' },
    'one\nbad\none\n',
  );
  t.match(added.json, { added: 1, updated: 0, known: 1, rejected: 1 });
  t.match(added.json['data'], [{ line: 1, outcome: 'added' }, { line: 2, outcome: 'rejected' }, { line: 3 }]);

  for (const action of ['disable', 'enable', 'clear']) {
    t.same((await call('POST', `/admin/accounts/aaaa/${action}`)).json, { ok: true });
  }
  t.match((await call('POST', '/admin/accounts/aaaa/check')).json, { ok: true, code: null });
  t.match((await call('POST', '/admin/accounts/aaaa/refresh')).json, {
    ok: false,
    code: 'account_unauthorized',
  });
  t.same(desk.calls, ['disable', 'enable', 'clear', 'check', 'refresh']);

  const csv = await call('GET', '/admin/accounts/export?format=csv');
  t.match(csv.text.split('\r\n')[1], /^aaaa,access,"'=1\+1,""x""",ready/, 'no formula for a spreadsheet');
  const lines = await call('GET', '/admin/accounts/export');
  t.equal((JSON.parse(lines.text.split('\n')[0] ?? '') as AccountView).id, 'aaaa');

  t.same((await call('DELETE', '/admin/accounts/aaaa')).json, { removed: 1 });
  t.equal((await call('DELETE', '/admin/accounts')).status, 400, 'all only when meant');
  t.equal(desk.accounts().length, 1);
  t.same((await call('DELETE', '/admin/accounts?confirm=all')).json, { removed: 1 });
});

t.test('an import comes in any form', async (t) => {
  const { desk, call } = await openRoom(t);
  const form = new FormData();
  form.set('text', 'm1\nm2');
  const send = (type: string, body: string): Promise<Answer> =>
    call('POST', '/admin/accounts', { ...BEARER, 'content-type': type }, body);
  await send('application/json', '{"text":"a\\nb"}');
  await send('application/json; charset=utf-8', '["a","b"]');
  await send('application/x-www-form-urlencoded', 'text=a%0Ab');
  await send('application/x-www-form-urlencoded', 'a+b/c=\nd%0A');
  await call('POST', '/admin/accounts', BEARER, form);
  t.same(desk.imported, ['a\nb', 'a\nb', 'a\nb', 'a+b/c=\nd%0A', 'm1\r\nm2']);
  for (const [type, body] of [
    ['application/json', '{'],
    ['application/json', '[1]'],
    ['application/json', '["a\\nb"]'],
    ['application/json', 'null'],
    ['text/plain', ' \n '],
    ['multipart/form-data; boundary=x', 'garbage'],
    ['multipart/form-data', 'garbage'],
  ] as const) {
    t.equal((await send(type, body)).status, 400, `${type} ${body}`);
  }
  t.equal(desk.imported.length, 5);
});

t.test('what does not exist is said so, without repeating it', async (t) => {
  const { call } = await openRoom(t);
  for (const [method, path] of [
    ['DELETE', '/admin/accounts/canary'],
    ['POST', '/admin/accounts/canary/check'],
    ['POST', '/admin/accounts/canary/refresh'],
    ['POST', '/admin/accounts/canary/enable'],
    ['POST', '/admin/accounts/canary/toString'],
    ['POST', '/admin/accounts/canary'],
    ['DELETE', '/admin/keys/canary'],
    ['PATCH', '/admin/keys/canary'],
  ] as const) {
    const answer = await call(method, path);
    t.equal(answer.status, 404, `${method} ${path}`);
    t.equal(codeOf(answer), 'unknown_url');
  }
  t.equal((await call('PUT', '/admin/accounts')).status, 405);
});

t.test('keys are made, shown once, changed and removed', async (t) => {
  const { desk, call } = await openRoom(t);
  const made = await call('POST', '/admin/keys', BEARER, '{"name":" desk ","requests_per_minute":5}');
  t.match(made.json, {
    key: 'sk-made-key1',
    id: 'key1',
    name: 'desk',
    requestsPerMinute: 5,
    concurrentStreams: null,
  });
  const list = await call('GET', '/admin/keys');
  t.match(list.json['data'], [{ id: 'key1' }]);
  t.notMatch(list.text, 'sk-made');
  const changed = await call('PATCH', '/admin/keys/key1', BEARER, '{"concurrent_streams":2}');
  t.match(changed.json, { name: 'desk', requestsPerMinute: 5, concurrentStreams: 2 });
  await call('POST', '/admin/keys/key1', BEARER, '{"requestsPerMinute":null,"name":"other"}');
  t.match(desk.keys()[0], { name: 'other', requestsPerMinute: null, concurrentStreams: 2 });
  t.match((await call('POST', '/admin/keys')).json, { name: 'unnamed', requestsPerMinute: null });
  for (const body of [
    '{"name":7}',
    '{"name":""}',
    '{"requests_per_minute":0}',
    '{"concurrent_streams":1.5}',
    '[]',
    '{',
  ]) {
    t.equal((await call('POST', '/admin/keys', BEARER, body)).status, 400, body);
  }
  t.same((await call('DELETE', '/admin/keys/key1')).json, { removed: 1 });
  desk.putKey({ id: 'env' });
  t.equal((await call('DELETE', '/admin/keys/env')).status, 400, 'only the environment takes it away');
});

t.test('scripts of old find what they expect', async (t) => {
  const { desk, call } = await openRoom(t);
  const form = { ...BEARER, 'content-type': 'application/x-www-form-urlencoded' };
  const upload = await call('POST', '/tokens/upload', form, 'text=one%0Atwo%0A%23+no');
  t.same(upload.json, { status: 'success', tokens_count: 2 });
  const [first] = desk.accounts();
  desk.change(first?.id ?? '', { state: 'quarantined' });
  t.same((await call('POST', '/tokens/error')).json, { status: 'success', error_tokens: [first?.id] });
  t.same((await call('POST', '/tokens/clear')).json, { status: 'success', tokens_count: 0 });
  t.equal((await call('GET', '/tokens/add/secret')).status, 404, 'no secrets in URLs');
});

t.test('a session opens with the key and changes things for the page only', async (t) => {
  const room = await openRoom(t);
  const { call, desk } = room;
  desk.put(account('aaaa'));
  const { cookie, page } = await logIn(room);
  t.equal((await call('GET', '/admin/accounts', { cookie })).status, 200);
  t.match((await call('GET', '/admin/session', { cookie })).json, { authenticated: true });
  t.same((await call('GET', '/admin/session', {})).json, { authenticated: false });

  const path = '/admin/accounts/aaaa/disable';
  const token = { cookie, 'x-csrf-token': page['x-csrf-token'] ?? '' };
  const host = `127.0.0.1:${room.served.port}`;
  for (const [why, headers] of [
    ['no token', { cookie, 'sec-fetch-site': 'same-origin' }],
    ['a wrong token', { ...page, 'x-csrf-token': 'x' }],
    ['another site', { ...token, 'sec-fetch-site': 'cross-site' }],
    ['a neighbour', { ...token, 'sec-fetch-site': 'same-site' }],
    ['another origin', { ...token, origin: 'http://evil.example' }],
    ['an origin of nothing', { ...token, origin: 'null' }],
    ['no origin at all', token],
  ] as const) {
    const answer = await call('POST', path, headers);
    t.equal(answer.status, 403, why);
    t.equal(codeOf(answer), 'cross_site_request');
  }
  t.same(desk.calls, []);
  t.equal((await call('POST', path, page)).status, 200);
  t.equal((await call('POST', path, { ...token, origin: `http://${host}` })).status, 200);

  t.equal((await call('POST', '/admin/logout', { cookie })).status, 403, 'nobody else logs you out');
  const out = await call('POST', '/admin/logout', page);
  t.match(out.headers.get('set-cookie'), /^chat2api_admin=; .*Max-Age=0/);
  t.equal((await call('GET', '/admin/accounts', { cookie })).status, 401);
});

t.test('the cookie is for this server alone, and ends', async (t) => {
  const room = await openRoom(t, { prefix: '/my/api' });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const plain = await room.call('POST', '/admin/login', form, `key=${KEY}`);
  const attributes = 'Path=/my/api; Max-Age=43200; HttpOnly; SameSite=Strict';
  t.match(plain.headers.get('set-cookie'), new RegExp(`^chat2api_admin=[\\w-]{43}; ${attributes}$`));
  const https = await room.call(
    'POST',
    '/admin/login',
    { ...form, 'x-forwarded-proto': 'https' },
    `key=${KEY}`,
  );
  t.match(https.headers.get('set-cookie'), /; Secure$/);
  const { cookie } = await logIn(room);
  room.clock.nowMs += 12 * 3_600_000 - 1;
  t.equal((await room.call('GET', '/admin/keys', { cookie })).status, 200);
  room.clock.nowMs += 1;
  t.equal((await room.call('GET', '/admin/keys', { cookie })).status, 401);
});

t.test('the hundredth session after it pushes the oldest out', async (t) => {
  const room = await openRoom(t);
  const { cookie } = await logIn(room);
  for (let i = 0; i < 99; i += 1) await logIn(room);
  t.equal((await room.call('GET', '/admin/keys', { cookie })).status, 200);
  await logIn(room);
  t.equal((await room.call('GET', '/admin/keys', { cookie })).status, 401);
});

t.test('who guesses must wait, longer each time, and even the right key waits', async (t) => {
  const room = await openRoom(t);
  const { cookie } = await logIn(room);
  const wrong = (i: number): Promise<Answer> =>
    i % 2 === 0
      ? room.call('GET', '/admin/keys', { authorization: `Bearer wrong-${i}` })
      : room.call('POST', '/admin/login', { 'content-type': 'application/json' }, `{"key":"wrong-${i}"}`);
  for (let i = 0; i < 5; i += 1) t.equal((await wrong(i)).status, 401);
  const locked = await room.call('GET', '/admin/keys');
  t.equal(locked.status, 429);
  t.equal(locked.headers.get('retry-after'), '5');
  t.match(locked.json, { error: { code: 'rate_limit_exceeded', message: /Too many wrong admin keys/ } });
  t.equal((await room.call('GET', '/admin/keys', { cookie })).status, 200, 'sessions go on');
  room.clock.nowMs += 5_000;
  t.equal((await wrong(6)).status, 401);
  t.equal((await wrong(7)).headers.get('retry-after'), '10');
  room.clock.nowMs += 10_000;
  t.equal((await room.call('GET', '/admin/keys')).status, 200);
  t.equal((await room.call('GET', '/admin/keys', {})).status, 401, 'no key at all is no guess');
});

t.test('behind a reverse proxy the one who guesses waits, and nobody else', async (t) => {
  const room = await openRoom(t);
  const from = (address: string, key: string) =>
    room.call('GET', '/admin/keys', {
      authorization: `Bearer ${key}`,
      'x-forwarded-for': `10.0.0.1, ${address}`,
    });
  for (let i = 0; i < 5; i += 1) await from('2001:db8::1', 'wrong');
  t.equal((await from('2001:db8::1', KEY)).status, 429);
  t.equal((await from('2001:db8:0:0:ffff::2', KEY)).status, 429, 'the same network');
  t.equal((await from('2001:db8:0:1::1', KEY)).status, 200);
  for (let i = 0; i < 5; i += 1) await from('198.51.100.1', 'wrong');
  t.equal((await from('198.51.100.1', KEY)).status, 429);
  t.equal((await from('198.51.100.2', KEY)).status, 200);
});

t.test('a foreign page cannot use up the tries', async (t) => {
  const room = await openRoom(t);
  const headers = { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' };
  for (let i = 0; i < 6; i += 1) {
    t.equal((await room.call('POST', '/admin/login', headers, 'key=x')).status, 403);
  }
  await logIn(room);
  t.equal((await room.call('GET', '/admin/keys')).status, 200);
});

interface Frame {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The complete frames of an event stream so far; chunked encoding has to be taken off first. */
function framesOf(text: string): Frame[] {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4).replaceAll(/(?:^|\r\n)[\da-f]+\r\n/gi, '');
  return [...body.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, event = '', data = '']) => ({
    event,
    data: JSON.parse(data) as Frame['data'],
  }));
}

const changedIds = (frames: readonly Frame[]): string[] =>
  frames.flatMap(({ data }) => ((data['changed'] ?? []) as AccountView[]).map(({ id }) => id));

t.test('the live stream tells everything, then what changes, and ends with the session', async (t) => {
  const room = await openRoom(t);
  const { desk, served } = room;
  desk.copies = true;
  for (let i = 0; i < 250; i += 1) desk.put(account(`account${i}`));
  const { cookie, page } = await logIn(room);
  const client = await dial(t, served.port);
  client.socket.write(get('/admin/events', `Cookie: ${cookie}`));
  t.ok(await until(() => changedIds(framesOf(client.text())).length === 250));
  const start = framesOf(client.text());
  t.match(start[0], { event: 'reset', data: { nowMs: room.clock.nowMs, accounts: 250 } });
  t.match(start[1], { event: 'rest', data: { summary: { accounts: { ready: 250 } }, keys: [], exits: [] } });

  desk.change('account7', { state: 'cooling' });
  await desk.removeAccount('account8');
  t.ok(await until(() => framesOf(client.text()).length >= start.length + 2));
  const news = framesOf(client.text()).slice(start.length);
  t.same(changedIds(news), ['account7'], 'only what changed');
  t.same(
    news.flatMap(({ data }) => data['gone'] ?? []),
    ['account8'],
  );

  await room.call('POST', '/admin/logout', page);
  t.ok(await until(() => served.server.inflight === 0), 'the stream ends');
  t.equal(served.records.find(({ route }) => route === '/admin/events')?.outcome, 'ok');
});

t.test('a reader who stops is told the latest only, each account once', async (t) => {
  const desk = new FakeDesk();
  const ids = Array.from({ length: 250 }, (_, i) => `account${i}`);
  const putAll = (succeeded: number): void => desk.put(...ids.map((id) => account(id, { succeeded })));
  putAll(0);
  const feed = new LiveFeed({ desk, intervalMs: 1 });
  const frames: string[] = [];
  let drained = (): void => undefined;
  let room = 2;
  const writer: LiveWriter = {
    closed: false,
    write: (frame) => frames.push(frame) < room,
    onDrain: (listener) => (drained = listener),
    end: () => undefined,
  };
  const stream = new LiveStream(writer, feed, () => true);
  t.teardown(feed.watch(stream));
  stream.begin(0);
  for (let round = 1; round <= 5; round += 1) {
    putAll(round);
    t.ok(await until(() => feed.account('account249')?.includes(`"succeeded":${round},`) === true));
  }
  t.same(
    frames.map((frame) => frame.slice(7, 12)),
    ['reset', 'rest\n'],
    'nothing is written into a full socket',
  );
  room = Infinity;
  drained();
  const rows = frames.flatMap((frame) => frame.match(/"succeeded":\d+/g) ?? []);
  t.same(
    rows,
    Array.from({ length: 250 }, () => '"succeeded":5'),
  );
  t.ok(
    frames.every((frame) => frame.length < 64 * 1024),
    'in frames of a bounded size',
  );
});

t.test('no more than 32 watch; who leaves makes room; the end of the program ends them', async (t) => {
  const ending = new AbortController();
  const { served, call } = await openRoom(t, { closing: ending.signal });
  const clients = await Promise.all(Array.from({ length: 32 }, () => dial(t, served.port)));
  for (const client of clients) client.socket.write(get('/admin/events', `Authorization: Bearer ${KEY}`));
  t.ok(await until(() => clients.every((client) => client.text().includes('event: rest'))));
  const refused = await call('GET', '/admin/events');
  t.equal(refused.status, 503);
  t.equal((await call('HEAD', '/admin/events')).status, 200);
  clients[0]?.socket.destroy();
  t.ok(await until(() => served.server.inflight === 31));
  ending.abort();
  t.ok(await until(() => served.server.inflight === 0));
});

t.test('the page and what it loads carry a strict policy and work under a prefix', async (t) => {
  const { call } = await openRoom(t, { prefix: '/p' });
  const page = await call('GET', '/tokens', {});
  t.equal(page.status, 200);
  const links = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = '']) => link);
  const scripts = [...(await call('GET', '/tokens/app.js', {})).text.matchAll(/from '\.\/([\w-]+\.js)'/g)];
  const assets = [...links, ...scripts.map(([, name = '']) => `tokens/${name}`)];
  t.ok(assets.length > 8);
  for (const asset of assets) {
    const { status, headers } = await call('GET', `/${asset}`, {});
    t.equal(status, 200, asset);
    t.equal(headers.get('x-content-type-options'), 'nosniff');
    t.match(
      headers.get('content-security-policy'),
      /^default-src 'none'; script-src 'self'; style-src 'self'/,
    );
    t.equal(headers.get('cache-control'), 'no-store');
    t.equal(headers.get('referrer-policy'), 'no-referrer');
  }
});

t.test('garbage gets an answer', async (t) => {
  const { call } = await openRoom(t);
  const bodies = [...GUARDED, ['POST', '/admin/login'] as const].filter(([method]) => method !== 'GET');
  const types = [
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=a',
    'application/x-www-form-urlencoded',
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bodies),
      fc.constantFrom(...types),
      fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constant('--a\r\n\r\n--a--')),
      async ([method, path], type, body) => {
        const { status } = await call(method, path, { ...BEARER, 'content-type': type }, body);
        return status < 500;
      },
    ),
    { numRuns: 60 },
  );
});

t.test('the key stands in nothing that was answered or logged, and nothing was unforeseen', async (t) => {
  t.ok(said.length > 300 && rooms.length > 10);
  for (const { records, internalErrors } of rooms) {
    t.notMatch(JSON.stringify(records), /canary/);
    t.same(internalErrors, []);
  }
  t.same(
    said.filter((text) => text.includes('canary')),
    [],
  );
});
