import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { Reply } from '../../src/http/reply.ts';
import type { RequestSnapshot } from '../../src/http/request.ts';
import type { Route } from '../../src/http/router.ts';
import { createServer } from '../../src/http/server.ts';
import { SseWriter } from '../../src/http/sse-writer.ts';
import { dial, get, serve, until } from './serve.ts';

const ECHO: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/models/{id}',
    handler: (request, reply) => reply.json(200, { id: request.parameter, query: request.query }),
  },
  {
    method: 'POST',
    path: '/v1/throws',
    handler: () => {
      throw new Error('canary-secret');
    },
  },
  {
    method: 'POST',
    path: '/v1/rejects',
    handler: async (_request, reply) => {
      reply.note({ model: 'm' });
      await sleep(1);
      throw new ChatError('rate_limit_exceeded', 'wait', { retryAfterS: 1.5, param: 'p' });
    },
  },
];

/** Holds its reply until told. */
function holding(): { route: Route; replies: Reply[] } {
  const replies: Reply[] = [];
  const route: Route = {
    method: 'GET',
    path: '/v1/hold',
    handler: (_request, reply) => void replies.push(reply),
  };
  return { route, replies };
}

async function ask(port: number, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, init);
}

t.test('routes, their errors and the headers that every answer carries', async (t) => {
  const { port, records, internalErrors, server } = await serve(t, { routes: ECHO });

  const found = await ask(port, '/v1/models/a%2Fb/c?x=1');
  t.same(await found.json(), { id: 'a/b/c', query: 'x=1' });
  t.match(found.headers.get('x-request-id'), /^req_[0-9a-f]{32}$/);

  const unknown = await ask(port, '/v1/nothing?key=canary', { headers: { 'x-request-id': 'mine:1' } });
  t.equal(unknown.status, 404);
  t.equal(unknown.headers.get('x-request-id'), 'mine:1');
  t.equal(unknown.headers.get('content-type'), 'application/json');
  t.equal(unknown.headers.get('access-control-allow-origin'), '*');
  t.equal(unknown.headers.get('x-should-retry'), 'false');
  const body = (await unknown.json()) as { error: Record<string, unknown> };
  t.match(body.error, { type: 'invalid_request_error', param: null, code: 'unknown_url' });
  t.match(body.error['message'], 'GET /v1/nothing');
  t.notMatch(body.error['message'], 'canary');

  const wrong = await ask(port, '/healthz', { method: 'DELETE', headers: { 'x-request-id': 'two words' } });
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get('allow'), 'GET, HEAD, OPTIONS');
  t.match(wrong.headers.get('x-request-id'), /^req_/);

  const limited = await ask(port, '/v1/rejects', { method: 'POST' });
  t.equal(limited.status, 429);
  t.equal(limited.headers.get('retry-after'), '2');
  t.equal(limited.headers.get('retry-after-ms'), '1500');
  t.equal(limited.headers.get('x-should-retry'), null);
  t.match(await limited.json(), { error: { param: 'p', code: 'rate_limit_exceeded' } });

  const broken = await ask(port, '/v1/throws', { method: 'POST', body: 'ignored' });
  t.equal(broken.status, 500);
  t.notMatch(await broken.text(), 'canary');
  t.match(internalErrors, [{ message: 'canary-secret' }]);

  t.equal(server.inflight, 0);
  t.match(records, [
    { route: '/v1/models/{id}', status: 200, outcome: 'ok', method: 'GET' },
    { route: 'unknown', status: 404, outcome: 'error', requestId: 'mine:1' },
    { status: 405 },
    { route: '/v1/rejects', status: 429, notes: { model: 'm', error: { code: 'rate_limit_exceeded' } } },
    { status: 500, notes: { error: { code: 'internal_error' } } },
  ]);
});

t.test('401 says how to authenticate', async (t) => {
  const route: Route = {
    method: 'GET',
    path: '/v1/x',
    handler: (_request, reply) => reply.fail(new ChatError('invalid_api_key', 'no')),
  };
  const { port } = await serve(t, { routes: [route] });
  const refused = await ask(port, '/v1/x');
  t.equal(refused.status, 401);
  t.equal(refused.headers.get('www-authenticate'), 'Bearer');
});

t.test('a preflight is welcome anywhere', async (t) => {
  const { port } = await serve(t);
  for (const path of ['/v1/chat/completions', '/', '/healthz']) {
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-stainless-os',
    };
    const answer = await ask(port, path, { method: 'OPTIONS', headers });
    t.equal(answer.status, 204, path);
    t.equal(answer.headers.get('access-control-allow-origin'), '*');
    t.equal(answer.headers.get('access-control-allow-credentials'), null);
    t.equal(answer.headers.get('access-control-allow-headers'), 'authorization,x-stainless-os');
    t.match(answer.headers.get('access-control-allow-methods'), /GET.*POST.*OPTIONS.*DELETE/);
    t.match(answer.headers.get('access-control-expose-headers'), 'x-request-id');
    t.ok(Number(answer.headers.get('access-control-max-age')) > 0);
  }
});

t.test('the prefix moves every route', async (t) => {
  for (const prefix of ['api', '/api', '/api/']) {
    const { port } = await serve(t, { prefix, routes: ECHO });
    t.equal((await ask(port, '/api/healthz')).status, 200);
    t.equal((await ask(port, '/api/v1/models/x')).status, 200);
    for (const path of ['/healthz', '/v1/models/x', '/apihealthz']) {
      t.equal((await ask(port, path)).status, 404, path);
    }
  }
});

t.test('readiness gives its reasons', async (t) => {
  const reasons: string[] = [];
  const accounts = { usable: 1, total: 2 };
  const { port } = await serve(t, {
    unreadyReasons: () => reasons,
    readyFigures: () => ({ accounts }),
  });
  t.same(await (await ask(port, '/readyz')).json(), { status: 'ready', accounts });
  reasons.push('no usable upstream');
  const answer = await ask(port, '/readyz');
  t.equal(answer.status, 503);
  t.same(await answer.json(), { status: 'unready', reasons, accounts });
});

t.test('HEAD tells the length and sends no body', async (t) => {
  const { port } = await serve(t);
  const client = await dial(t, port);
  client.socket.write('HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => client.text().includes('\r\n\r\n'));
  client.socket.write(get('/nothing'));
  t.ok(await until(() => client.text().includes('HTTP/1.1 404')));
  const [head = '', next = ''] = client.text().split('\r\n\r\n');
  t.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*content-length: 15/i);
  t.match(next, /^HTTP\/1\.1 404/);
});

t.test('what is asked of a request late is what it would have said at once', async (t) => {
  const requests: RequestSnapshot[] = [];
  const handler: Route['handler'] = (request, reply) => {
    requests.push(request);
    if (request.path === '/early') t.equal(request.remoteAddress, '127.0.0.1');
    reply.onClose(() => requests.push(request));
  };
  const routes = ['/early', '/late'].map((path) => ({ method: 'GET', path, handler }));
  const { port } = await serve(t, { routes });
  for (const path of ['/early', '/late']) {
    const client = await dial(t, port);
    client.socket.write(get(path, 'X-A: 1', 'cookie: b=2', 'x-a: 3', 'Cookie: c=4'));
    t.ok(await until(() => requests.length % 2 === 1));
    client.socket.destroy();
    t.ok(await until(() => requests.length % 2 === 0));
  }
  t.same(
    requests.map(({ remoteAddress }) => remoteAddress),
    ['127.0.0.1', '127.0.0.1', '', ''],
  );
  const [request] = requests as [RequestSnapshot];
  const names = ['x-a', 'cookie', 'host', 'x-b'];
  const said = ['1, 3', 'b=2; c=4', 'x', undefined];
  t.same(
    names.map((name) => request.header(name)),
    said,
  );
  t.same(
    names.map((name) => request.headers.get(name)),
    said,
  );
});

t.test('pipelined requests are answered in order', async (t) => {
  const { port, server } = await serve(t, { routes: ECHO });
  const client = await dial(t, port);
  client.socket.write([1, 2, 3].map((n) => get(`/v1/models/${n}`)).join(''));
  t.ok(await until(() => client.text().includes('"id":"3"')));
  t.same(client.text().match(/"id":"\d"/g), ['"id":"1"', '"id":"2"', '"id":"3"']);
  t.equal(server.inflight, 0);
});

t.test('hostile bytes cost at most their own connection', async (t) => {
  const { route, replies } = holding();
  const { port, server } = await serve(t, { routes: [...ECHO, route] });
  const raw = (text: string): Buffer => Buffer.from(text, 'latin1');
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `x-header-name: v${i}`);
  const attacks = [
    raw(get('/v1/models/%zz%ff%00%')),
    raw(get('/v1/models/\xff\xfe\xc3\x28')),
    raw(get('/v1/../../etc/passwd?%')),
    raw(get('/', 'x-request-id: \xff\xfe', 'authorization: Bearer \xff')),
    raw('GET http://x/v1/models HTTP/1.1\r\nHost: x\r\n\r\n'),
    raw('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n'),
    raw('BREW /v1/models HTTP/1.1\r\nHost: x\r\n\r\n'),
    raw('GET / HTTP/1.1\r\n\r\n'),
    raw('GET / HTTP/9.9\r\nHost: x\r\n\r\n'),
    raw('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n'),
    raw('POST /v1/throws HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc'),
    raw('POST /v1/throws HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nabc'),
    raw('POST /v1/throws HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc'),
    raw(get('/v1/models/x', ...many(48))),
    raw(get('/v1/models/x', ...many(97))),
    raw(get('/v1/models/x', ...many(200))),
    raw(get('/v1/models/x', `x-big: ${'a'.repeat(300_000)}`)),
    raw(get('/v1/models/x', 'connection: upgrade', 'upgrade: websocket', 'sec-websocket-key: x')),
    raw(get('/v1/hold') + get('/v1/hold') + get('/healthz')),
  ];
  const clients = await Promise.all(attacks.map(() => dial(t, port)));
  for (const [i, client] of clients.entries()) client.socket.write(attacks[i] ?? '');
  await sleep(300);
  for (const client of clients) {
    const status = client.text().slice(9, 12);
    t.ok(status === '' || /^[245]\d\d$/.test(status), status);
    client.socket.destroy();
  }
  t.ok(replies.length > 0);
  t.ok(await until(() => server.inflight === 0));
  t.equal((await ask(port, '/healthz')).status, 200);
});

t.test('headers as real clients send them pass, also in several segments', async (t) => {
  const { port } = await serve(t, { routes: ECHO });
  const headers = Array.from({ length: 40 }, (_, i) => `x-stainless-header: v${i}`);
  const oneSegment = await dial(t, port);
  oneSegment.socket.write(get('/v1/models/x', ...headers, `authorization: Bearer ${'a'.repeat(20_000)}`));
  t.ok(await until(() => oneSegment.text().includes('"id":"x"')));

  const split = await dial(t, port);
  const text = get('/v1/models/y', ...headers, `authorization: Bearer ${'a'.repeat(2_000)}`);
  split.socket.setNoDelay(true);
  for (let at = 0; at < text.length; at += 700) {
    split.socket.write(text.slice(at, at + 700));
    await sleep(10);
  }
  t.ok(await until(() => split.text().includes('"id":"y"')));
});

// The current native build waits 30 s, the older 10.
t.test(
  'a thousand silent connections do not hurt and are closed in the end',
  { timeout: 60_000 },
  async (t) => {
    const { port, server } = await serve(t);
    const clients = await Promise.all(Array.from({ length: 1000 }, () => dial(t, port)));
    for (const client of clients.slice(0, 500)) client.socket.write('GET / HT');
    t.equal((await ask(port, '/healthz')).status, 200);
    t.equal(server.inflight, 0);
    let closed = 0;
    for (const client of clients) void client.closed.then(() => (closed += 1));
    t.ok(await until(() => closed === 1000, 45_000), `${closed} closed`);
  },
);

t.test('a client that leaves is seen, and its request counted', async (t) => {
  const { route, replies } = holding();
  const { port, server, records } = await serve(t, { routes: [route] });
  const client = await dial(t, port);
  client.socket.write(get('/v1/hold'));
  await until(() => replies.length === 1);
  const reply = replies[0] as Reply;
  let closes = 0;
  reply.onClose(() => (closes += 1));
  t.equal(reply.signal.aborted, false);
  t.equal(server.inflight, 1);
  client.socket.destroy();
  t.ok(await until(() => reply.signal.aborted));
  reply.json(200, {});
  reply.fail(new ChatError('internal_error', 'late'));
  reply.cut('error');
  reply.onClose(() => (closes += 1));
  t.equal(closes, 2);
  t.equal(server.inflight, 0);
  t.match(records, [{ status: null, outcome: 'client_gone', bytesOut: 0 }]);
});

t.test('listeners that throw are reported and harm nobody', async (t) => {
  const { route, replies } = holding();
  const { port, server, internalErrors } = await serve(t, { routes: [route] });
  const client = await dial(t, port);
  client.socket.write(get('/v1/hold'));
  await until(() => replies.length === 1);
  replies[0]?.onClose(() => {
    throw new Error('listener');
  });
  client.socket.destroy();
  t.ok(await until(() => internalErrors.length === 1));
  t.equal(server.inflight, 0);
});

t.test('a bug is logged also when the answer was already complete', async (t) => {
  const route: Route = {
    method: 'GET',
    path: '/v1/late',
    handler: async (_request, reply) => {
      reply.json(200, {});
      await sleep(1);
      throw new Error('afterwards');
    },
  };
  const { port, records, internalErrors } = await serve(t, { routes: [route] });
  t.equal((await ask(port, '/v1/late')).status, 200);
  t.ok(await until(() => internalErrors.length === 1));
  t.match(records, [{ status: 200, outcome: 'ok', notes: {} }]);
});

t.test('a taken port is an error, not a share', async (t) => {
  const first = await serve(t);
  first.server.destroy();
  // Asked for by number: a port that was found free is exclusive anyway.
  const { port } = await serve(t, { port: first.port });
  await t.rejects(serve(t, { port }), /in use/);
});

t.test('drain: new work is refused, running work finishes', async (t) => {
  const { route, replies } = holding();
  const { port, server, records } = await serve(t, { routes: [route] });
  const running = await dial(t, port);
  const idle = await dial(t, port);
  idle.socket.write(get('/healthz'));
  running.socket.write(get('/v1/hold'));
  await until(() => replies.length === 1 && idle.text() !== '');

  let drained = false;
  const drain = server.drain();
  void drain.then(() => (drained = true));
  t.equal(server.drain(), drain);
  await t.rejects(ask(port, '/healthz'));
  idle.socket.write(get('/v1/hold'));
  t.ok(await until(() => idle.text().includes('shutting_down')));
  t.match(idle.text(), /HTTP\/1\.1 503[^]*connection: close/i);
  t.equal(idle.text().match(/connection: close/gi)?.length, 1);
  await idle.closed;
  t.equal(drained, false);
  replies[0]?.json(200, { done: true });
  await drain;
  await running.closed;
  t.match(running.text(), '{"done":true}');
  t.equal(server.inflight, 0);
  t.match(records.at(-1), { status: 200, outcome: 'ok' });
});

t.test('drain: readiness goes first on connections that are still open', async (t) => {
  const { route, replies } = holding();
  const { port, server } = await serve(t, { routes: [route] });
  const running = await dial(t, port);
  const probe = await dial(t, port);
  running.socket.write(get('/v1/hold'));
  probe.socket.write(get('/readyz'));
  await until(() => replies.length === 1 && probe.text().includes('ready'));
  const drain = server.drain();
  probe.socket.write(get('/readyz'));
  t.ok(await until(() => probe.text().includes('{"status":"unready","reasons":["draining"]}')));
  replies[0]?.json(200, {});
  await drain;
});

t.test('drain: what does not finish in time gets a last word', async (t) => {
  const { route, replies } = holding();
  const stream: Route = {
    method: 'GET',
    path: '/v1/stream',
    handler: (_request, reply) => {
      const writer = new SseWriter(reply);
      writer.onShutdown((error) => writer.fail(`data: ${error.code}\n\n`));
      writer.open();
    },
  };
  const mute: Route = {
    method: 'GET',
    path: '/v1/mute',
    handler: (_request, reply) => new SseWriter(reply).open(),
  };
  const { port, server, records } = await serve(t, { routes: [route, stream, mute], drainTimeoutMs: 50 });
  const [held, streamed, muted] = await Promise.all([dial(t, port), dial(t, port), dial(t, port)]);
  held.socket.write(get('/v1/hold'));
  streamed.socket.write(get('/v1/stream'));
  muted.socket.write(get('/v1/mute'));
  t.ok(await until(() => server.inflight === 3 && replies.length === 1));
  await server.drain();
  await Promise.all([held.closed, streamed.closed, muted.closed]);
  t.match(held.text(), /HTTP\/1\.1 503[^]*retry-after: 5[^]*shutting_down/);
  t.match(streamed.text(), 'data: shutting_down\n\n');
  t.equal(server.inflight, 0);
  t.same(records.map((record) => record.outcome).sort(), ['error', 'error', 'shutdown']);
});

t.test('destroy ends everything at once, twice, and before listening', async (t) => {
  const { route, replies } = holding();
  const { port, server, records } = await serve(t, { routes: [route] });
  const client = await dial(t, port);
  client.socket.write(get('/v1/hold'));
  await until(() => replies.length === 1);
  server.destroy();
  server.destroy();
  await client.closed;
  await server.drain();
  t.equal(server.inflight, 0);
  t.match(records, [{ outcome: 'shutdown' }]);

  const unused = createServer({
    host: '127.0.0.1',
    port: 0,
    prefix: '',
    routes: [],
    drainTimeoutMs: 1,
    unreadyReasons: () => [],
    readyFigures: () => ({}),
    onRequestEnd: () => undefined,
    onInternalError: () => undefined,
  });
  await unused.drain();
});

t.test('requests on one kept-alive connection, one after the other', async (t) => {
  const { port } = await serve(t, { routes: ECHO });
  const client = await dial(t, port);
  for (let n = 0; n < 5; n += 1) {
    client.socket.write(get(`/v1/models/k${n}`));
    t.ok(await until(() => client.text().includes(`"id":"k${n}"`)));
  }
});
