import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { until } from '../http/serve.ts';
import { ask, json, startGateway, startSite } from './site.ts';

const ADMIN_KEY = 'canary-admin-key-77';

/** Headers that tell of the way a request took, and some that belong to answers. */
const TRACES =
  `x-real-ip x-forwarded-for x-forwarded-proto x-forwarded-port x-forwarded-host x-forwarded-server
  x-forwarded-uri x-forwarded-path x-forwarded-method x-forwarded-protocol x-forwarded-scheme forwarded via
  cf-warp-tag-id cf-visitor cf-ray cf-connecting-ip cf-ipcountry cf-request-id cf-worker cf-access-client-id
  cf-access-client-device-type cdn-loop remote-host x-frame-options x-xss-protection x-content-type-options
  content-security-policy x-middleware-prefetch x-nextjs-data purpose`.split(/\s+/);

/** What our routes own, and what some server could take for it. */
const OURS =
  String.raw`/v1 /v1/ /v1/nothing //v1/models /./v1/models /x/../v1/models /%76%31/models /%2576%2531/models
  /V1/models /v1;x=1/models /x%2f..%2fv1/models /\v1\models //tokens /%74okens /x/%2e%2e/admin/accounts
  //admin/accounts /admin%2faccounts /./metrics //healthz /files//x /..;/admin/accounts /tokens/`.split(
    /\s+/,
  );

t.test('what upstream hears of a request', async (t) => {
  let heard: IncomingHttpHeaders = {};
  let line = '';
  const site = await startSite(t, (request, response) => {
    [heard, line] = [request.headers, `${request.method} ${request.url}`];
    request.resume().on('end', () => response.end());
  });
  const { port } = await startGateway(t, site, {
    AUTH_KEY: 'relay-secret',
    ADMIN_KEY,
    AUTHORIZATION: 'sk-canary-own',
  });
  const own = `http://127.0.0.1:${port}`;
  const upstream = site.origin;
  const device = { cookie: 'a=1; chat2api_admin=canary; c2a-host-t=2' };
  const cases: readonly (readonly [
    sent: Record<string, string>,
    heard: Record<string, string | undefined>,
  ])[] = [
    [
      {},
      { host: site.origin.slice(7), authkey: 'relay-secret', authorization: undefined, origin: undefined },
    ],
    [
      { 'x-mine': 'kept', accept: 'text/html' },
      { 'x-mine': 'kept', accept: 'text/html' },
    ],
    [{ authorization: 'Bearer theirs' }, { authorization: 'Bearer theirs' }],
    [{ authorization: 'Bearer sk-canary-own' }, { authorization: undefined }],
    [{ authorization: `Bearer ${ADMIN_KEY}` }, { authorization: undefined }],
    [
      { origin: own, referer: `${own}/c/1?x=2` },
      { origin: upstream, referer: `${upstream}/c/1?x=2` },
    ],
    [{ referer: 'https://search.test/?q=secret' }, { referer: `${upstream}/` }],
    [{ origin: 'https://evil.test' }, { origin: upstream }],
    [{ origin: 'https://evil.test', ...device }, { origin: 'https://evil.test' }],
    [device, { cookie: 'a=1; __Host-t=2' }],
    [{ cookie: 'chat2api_admin=canary' }, { cookie: undefined }],
    [{ connection: 'close, x-hop', 'x-hop': '1' }, { 'x-hop': undefined }],
    [
      { te: 'trailers', 'keep-alive': '5', 'proxy-authorization': 'Basic eA==' },
      { te: undefined, 'keep-alive': undefined, 'proxy-authorization': undefined },
    ],
    [{ 'accept-encoding': 'gzip, deflate, br, zstd' }, { 'accept-encoding': 'gzip, deflate, br' }],
    [{ 'accept-encoding': 'zstd;q=1, *' }, { 'accept-encoding': 'identity' }],
    [{ 'user-agent': 'curl/8', 'sec-ch-ua-arch': '"x86"' }, { 'sec-ch-ua-arch': undefined }],
    [{ authkey: 'guessed' }, { authkey: 'relay-secret' }],
    [{ 'content-encoding': 'gzip' }, { 'content-encoding': undefined }],
    ...TRACES.map((name) => [{ [name]: 'canary' }, { [name]: undefined }] as const),
  ];
  for (const [sent, expected] of cases) {
    t.equal((await ask(port, '/page', { headers: sent })).status, 200);
    for (const [name, value] of Object.entries(expected))
      t.equal(heard[name], value, `${JSON.stringify(sent)} ${name}`);
    t.match(heard['user-agent'], /^Mozilla/);
  }
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE']) {
    await ask(port, `/m/ü?a=%20b&c='`.replace('ü', '%C3%BC'), { method });
    t.equal(line, `${method} /m/%C3%BC?a=%20b&c='`);
  }
  line = '';
  const preflight = { origin: 'https://page.test', 'access-control-request-method': 'POST' };
  t.equal((await ask(port, '/page', { method: 'OPTIONS', headers: preflight })).status, 204);
  const worker = await ask(port, '/sw.js', { headers: { 'service-worker': 'script' } });
  t.equal(worker.status, 404, 'a service worker would rule over our own pages too');
  t.equal(line, '', 'a preflight is ours to answer');
});

t.test('what a browser gets of an answer', async (t) => {
  const picture = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const page = '<a href="https://chatgpt.com/c/1">é</a>';
  const site = await startSite(t, (request, response) => {
    const send = (
      status: number,
      headers: Record<string, string | string[]>,
      body: string | Buffer = '',
    ): void => void response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
    switch (request.url) {
      case '/page':
        return send(
          200,
          {
            'content-type': 'text/html; charset=utf-8',
            'content-encoding': 'gzip',
            etag: '"1"',
            'accept-ranges': 'bytes',
          },
          gzipSync(page),
        );
      case '/picture':
        return send(200, { 'content-type': 'image/png', 'content-length': '256', etag: '"2"' }, picture);
      case '/packed-picture':
        return send(200, { 'content-type': 'image/x-icon', 'content-encoding': 'gzip' }, gzipSync(picture));
      case '/part':
        return send(
          206,
          { 'content-type': 'image/png', 'content-range': 'bytes 0-1/256' },
          picture.subarray(0, 2),
        );
      case '/unchanged':
        return send(304, { etag: '"2"' });
      case '/empty':
        return send(204, {});
      case '/moved':
        return send(307, { location: 'https://chatgpt.com/there?x=1' });
      case '/away':
        return send(302, { location: 'https://auth.openai.com/log-in' });
      case '/near':
        return send(301, { location: '/there' });
      case '/events':
        return send(429, { 'content-type': 'text/event-stream' }, 'data: https://chatgpt.com/x\n\n');
      case '/teapot':
        return send(
          418,
          {
            'content-type': 'application/json',
            'set-cookie': ['a=1; Domain=.chatgpt.com; Secure', 'b=2'],
            'content-security-policy': 'img-src https://chatgpt.com',
            'strict-transport-security': 'max-age=1',
            connection: 'x-hop',
            'x-hop': '1',
            'x-kept': 'yes',
            'x-request-id': 'theirs',
            'access-control-allow-origin': 'https://chatgpt.com',
          },
          '{"detail":"no"}',
        );
      default:
        return send(200, {}, '');
    }
  });
  const { port } = await startGateway(t, site);
  const own = `http://127.0.0.1:${port}`;

  const rewritten = await ask(port, '/page', { headers: { 'accept-encoding': 'gzip' } });
  t.equal(rewritten.body.toString(), page.replace('https://chatgpt.com', own));
  t.match(rewritten.headers, { 'content-encoding': undefined, etag: 'W/"1"', 'accept-ranges': undefined });
  const head = await ask(port, '/page', { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(head.body.length, 0);

  const whole = await ask(port, '/picture');
  t.strictSame([whole.body, whole.headers['content-length'], whole.headers.etag], [picture, '256', '"2"']);
  t.equal((await ask(port, '/picture', { method: 'HEAD' })).headers['content-length'], '256');
  t.strictSame((await ask(port, '/packed-picture')).body, gzipSync(picture), 'as it came');
  const part = await ask(port, '/part');
  t.match(part, { status: 206, headers: { 'content-range': 'bytes 0-1/256' } });
  t.equal(part.body.length, 2);

  t.match(await ask(port, '/unchanged'), { status: 304, headers: { etag: '"2"' }, complete: true });
  t.match(await ask(port, '/empty'), { status: 204, complete: true });
  t.match(await ask(port, '/moved'), { status: 307, headers: { location: `${own}/there?x=1` } });
  t.match(await ask(port, '/away'), { status: 302, headers: { location: 'https://auth.openai.com/log-in' } });
  t.match(await ask(port, '/near'), { status: 301, headers: { location: '/there' } });
  const events = await ask(port, '/events');
  t.match(events, { status: 429, headers: { 'content-type': 'text/event-stream' } });
  t.equal(events.body.toString(), 'data: https://chatgpt.com/x\n\n');

  const teapot = await ask(port, '/teapot');
  t.equal(teapot.status, 418);
  t.strictSame(teapot.headers['set-cookie'], ['a=1', 'b=2']);
  t.match(teapot.headers, {
    'content-security-policy': `img-src ${own}`,
    'strict-transport-security': undefined,
    'x-hop': undefined,
    'x-kept': 'yes',
    'x-request-id': /^req_/,
    'access-control-allow-origin': own,
  });
  t.equal((await ask(port, '/nothing')).headers['access-control-allow-origin'], undefined);
});

t.test('who we are comes from PUBLIC_URL, from a trusted proxy, or from Host', async (t) => {
  const site = await startSite(t, (_, response) =>
    response.writeHead(302, { location: 'https://chatgpt.com/x' }).end(),
  );
  const forwarded = { host: 'chat.test:81', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'front.test' };
  const where = async (env: Record<string, string>, headers: Record<string, string>) =>
    (await ask((await startGateway(t, site, env)).port, '/', { headers })).headers.location;
  t.equal(await where({}, forwarded), 'http://chat.test:81/x');
  t.equal(await where({ TRUST_PROXY: '10.0.0.0/8' }, forwarded), 'http://chat.test:81/x');
  t.equal(await where({ TRUST_PROXY: '10.0.0.1,127.0.0.0/8' }, forwarded), 'https://front.test/x');
  t.equal(
    await where({ PUBLIC_URL: 'https://public.test', TRUST_PROXY: '127.0.0.1' }, forwarded),
    'https://public.test/x',
  );
  const { port } = await startGateway(t, site);
  t.match(json(await ask(port, '/', { headers: { host: 'a"b' } })), { error: { code: 'invalid_value' } });
});

t.test('no path trick reaches what is ours, or leads out of the site', async (t) => {
  const urls: string[] = [];
  const site = await startSite(t, (request, response) => {
    urls.push(request.url ?? '');
    response.end('upstream');
  });
  const { port } = await startGateway(t, { ...site, origin: `${site.origin}/relay` }, { ADMIN_KEY });
  for (const path of OURS) {
    const seen = await ask(port, path);
    t.equal(seen.status, 404, path);
    t.match(json(seen), { error: { code: 'unknown_url' } });
  }
  for (const path of ['/a%2f..%2f..%2fb', '/..%2f..%2fetc', '/a/..%5c..%5cb'])
    t.match(json(await ask(port, path)), { error: { code: 'invalid_value' } }, path);
  t.strictSame(urls, []);
  for (const path of [
    '/',
    '//evil.test/x',
    '/../../etc',
    '/a/%2e%2e/b',
    '/@evil.test',
    '/http://evil.test/',
    '/v10/x',
  ]) {
    t.equal((await ask(port, path)).body.toString(), 'upstream', path);
  }
  t.strictSame(
    urls,
    ['/', '//evil.test/x', '/etc', '/b', '/@evil.test', '/http://evil.test/', '/v10/x'].map(
      (path) => `/relay${path}`,
    ),
  );
});

t.test('under a prefix everything is ours, and beside it nothing of ours is upstream', async (t) => {
  const site = await startSite(t, (request, response) => response.end(request.url));
  const { port } = await startGateway(t, site, { API_PREFIX: '/secret', ADMIN_KEY });
  for (const path of [
    '/v1/models',
    '/healthz',
    '/readyz',
    '/metrics',
    '/tokens',
    '/admin/accounts',
    '/secret/x',
    '/secret',
    '/%73ecret/x',
  ])
    t.equal((await ask(port, path)).status, 404, path);
  t.equal((await ask(port, '/secret/healthz')).status, 200);
  t.equal((await ask(port, '/secret/healthz', { method: 'POST' })).status, 405);
  t.equal((await ask(port, '/secrets')).body.toString(), '/secrets');
  const off = await startGateway(t, site, { ENABLE_GATEWAY: 'false' });
  t.match(json(await ask(off.port, '/')), { error: { code: 'unknown_url' } });
});

t.test('failures are told as such', async (t) => {
  const site = await startSite(t, (request, response) => {
    if (request.url === '/reset') return void request.socket.destroy();
    if (request.url === '/half') {
      response.writeHead(200, { 'content-length': '1000' }).write('half');
      return void setTimeout(() => request.socket.destroy(), 50);
    }
    if (request.url === '/garbled') {
      response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' });
      return void response.end('no gzip');
    }
    if (request.url === '/pause') response.writeHead(200).write('x');
  });
  const { port, app } = await startGateway(t, site, { IDLE_TIMEOUT_MS: '400' });
  const code = async (path: string) => {
    const seen = await ask(port, path);
    return [seen.status, (json(seen)['error'] as { code: string }).code];
  };
  t.strictSame(await code('/reset'), [502, 'upstream_unreachable']);
  t.strictSame(await code('/garbled'), [502, 'upstream_protocol_error']);
  t.strictSame(await code('/silent'), [504, 'upstream_timeout']);
  t.match(await ask(port, '/half'), { status: 200, complete: false });
  t.match(await ask(port, '/pause'), { status: 200, complete: false });
  t.ok(await until(() => app.inflight.requests + app.inflight.upstreamCalls === 0));
  const nobody = await startGateway(t, { ...site, origin: 'http://127.0.0.1:1' });
  const refused = await ask(nobody.port, '/');
  t.equal(refused.status, 502);
  t.match(json(refused), { error: { code: 'upstream_unreachable' } });
});

t.test('large text is rewritten whole', async (t) => {
  const text = `${'x'.repeat(997)}"https://chatgpt.com/${'é'.repeat(500)}"\n`.repeat(2_000);
  const site = await startSite(t, (_, response) =>
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(text),
  );
  const { port } = await startGateway(t, site);
  const { body } = await ask(port, '/app.js');
  const expected = text.replaceAll('https://chatgpt.com', `http://127.0.0.1:${port}`);
  t.equal(createHash('md5').update(body).digest('hex'), createHash('md5').update(expected).digest('hex'));
});
