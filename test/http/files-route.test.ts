import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { filesRoute } from '../../src/http/files-route.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createFileLinks } from '../../src/upstream/file-links.ts';
import { createFileStreams } from '../../src/upstream/file-streams.ts';
import { dial, get, serve, until } from './serve.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const MIB = 1024 * 1024;

interface World {
  readonly port: number;
  readonly link: (name?: string | null, mimeType?: string | null) => string;
  readonly asked: IncomingHttpHeaders[];
  /** Answers of upstream that were not taken to their end. */
  readonly cut: ServerResponse[];
  readonly clock: { nowMs: number };
  readonly served: Awaited<ReturnType<typeof serve>>;
}

async function world(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  slowClientTimeoutMs = 60_000,
): Promise<World> {
  const asked: IncomingHttpHeaders[] = [];
  const cut: ServerResponse[] = [];
  const sockets = new Set<Socket>();
  const upstream = createServer((request, response) => {
    asked.push(request.headers);
    response.on('close', () => {
      if (!response.writableFinished) cut.push(response);
    });
    answer(request, response);
  });
  upstream.on('connection', (socket: Socket) => void sockets.add(socket.on('error', () => {})));
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    upstream.close();
  });
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const clock = { nowMs: 1_800_000_000_000 };
  const links = createFileLinks({ nowMs: () => clock.nowMs });
  const profile = { userAgent: 'Mozilla/5.0 test', authKey: null };
  const files = createFileStreams({ exits, profile, links, idleMs: 20_000 });
  const served = await serve(t, { prefix: '/api', routes: [filesRoute({ files, slowClientTimeoutMs })] });
  const session = {
    origin: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    identity: { token: TOKEN, accountId: null },
    account: null,
    deviceId: 'd',
    exit: DIRECT,
  };
  const link: World['link'] = (name = null, mimeType = null) =>
    `/api${links.keep({ session, path: '/backend-api/estuary/content?id=1', name, mimeType })}`;
  return { port: served.port, link, asked, cut, clock, served };
}

const ask = (port: number, path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, init);

const CONTENT = Buffer.from(Array.from({ length: 3 * MIB }, (_, at) => (at * 31 + (at >> 8)) & 255));

/** A server of one file that knows ranges. */
function fileServer(request: IncomingMessage, response: ServerResponse): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const head = {
    'content-type': 'image/png',
    etag: '"e"',
    'accept-ranges': 'bytes',
    'set-cookie': 'canary=1',
  };
  if (from === undefined) {
    response.writeHead(200, { ...head, 'content-length': CONTENT.length }).end(CONTENT);
  } else if (Number(from) >= CONTENT.length) {
    response
      .writeHead(416, { 'content-range': `bytes */${CONTENT.length}`, 'content-length': 5 })
      .end('never');
  } else {
    const last = Math.min(to ? Number(to) : Infinity, CONTENT.length - 1);
    const part = CONTENT.subarray(Number(from), last + 1);
    const range = `bytes ${from}-${last}/${CONTENT.length}`;
    response.writeHead(206, { ...head, 'content-range': range, 'content-length': part.length }).end(part);
  }
}

t.test('a file, a part of it, its head, and none of it', async (t) => {
  const { port, link, asked, served } = await world(t, fileServer);
  const path = link();
  const whole = await ask(port, path);
  t.equal(whole.status, 200);
  t.equal(whole.headers.get('content-length'), String(CONTENT.length));
  t.equal(whole.headers.get('content-type'), 'image/png');
  t.equal(whole.headers.get('etag'), '"e"');
  t.equal(whole.headers.get('x-content-type-options'), 'nosniff');
  t.equal(whole.headers.get('set-cookie'), null);
  t.ok(Buffer.from(await whole.arrayBuffer()).equals(CONTENT));
  t.equal(asked[0]?.authorization, `Bearer ${TOKEN}`);

  const part = await ask(port, path, { headers: { range: 'bytes=1000-1999', 'if-range': '"e"' } });
  t.equal(part.status, 206);
  t.equal(part.headers.get('content-range'), `bytes 1000-1999/${CONTENT.length}`);
  t.ok(Buffer.from(await part.arrayBuffer()).equals(CONTENT.subarray(1000, 2000)));
  t.match(asked[1], { range: 'bytes=1000-1999', 'if-range': '"e"' });

  const beyond = await ask(port, path, { headers: { range: 'bytes=99999999-' } });
  t.equal(beyond.status, 416);
  t.equal(beyond.headers.get('content-range'), `bytes */${CONTENT.length}`);
  t.equal(await beyond.text(), '');

  const strange = await ask(port, path, { headers: { range: 'lines=1-2' } });
  t.equal(strange.status, 200);
  t.equal(asked.at(-1)?.range, undefined, 'what is no range of bytes is not passed on');
  await strange.arrayBuffer();

  const head = await ask(port, path, { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(head.headers.get('content-length'), String(CONTENT.length));
  t.equal(await head.text(), '');

  t.ok(await until(() => served.server.inflight === 0));
  t.match(served.records[0], {
    route: '/files/{token}',
    status: 200,
    outcome: 'ok',
    bytesOut: CONTENT.length,
  });
  t.notMatch(JSON.stringify(served.records), /canary|estuary/);
  t.notMatch(JSON.stringify(served.records), path.slice(-43), "a log's reader cannot follow the link");
});

t.test('a keep-alive connection serves file after file', async (t) => {
  const { port, link } = await world(t, fileServer);
  const client = await dial(t, port);
  for (let at = 1; at <= 3; at++) {
    client.socket.write(get(link(), `Range: bytes=0-${at * 100_000 - 1}`));
    const total = (100_000 * (at * (at + 1))) / 2;
    t.ok(await until(() => client.bytes() > total && client.text().split('HTTP/1.1 206').length === at + 1));
  }
});

t.test('what nobody can have is a 404 in the form of the API', async (t) => {
  const { port, link, clock, asked } = await world(t, fileServer);
  const path = link();
  clock.nowMs += 3_600_000;
  for (const gone of [path, '/api/files/unknown', `${path}/more`]) {
    const answer = await ask(port, gone);
    t.equal(answer.status, 404);
    t.match(await answer.json(), { error: { code: 'unknown_url', type: 'invalid_request_error' } });
  }
  t.equal((await ask(port, link(), { method: 'POST' })).status, 405);
  t.equal((await ask(port, link().replace('/api', ''))).status, 404, 'not beside the prefix');
  t.equal(asked.length, 0);
});

t.test('headers that keep a browser from running what the model wrote', async (t) => {
  let type = '';
  const { port, link } = await world(t, (_, response) => {
    response
      .writeHead(200, { ...(type === '' ? {} : { 'content-type': type }), 'content-length': 2 })
      .end('ok');
  });
  const headersFor = async (
    given: string,
    name: string | null,
    mimeType: string | null,
  ): Promise<Headers> => {
    type = given;
    return (await ask(port, link(name, mimeType))).headers;
  };
  for (const active of [
    'text/html; charset=utf-8',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/javascript',
  ]) {
    t.match(
      (await headersFor(active, null, null)).get('content-security-policy'),
      /default-src 'none'.*sandbox/,
    );
  }
  const table = await headersFor('', '/mnt/data/größe (1).csv', 'text/csv');
  t.equal(table.get('content-type'), 'text/csv');
  t.equal(table.get('content-disposition'), "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%281%29.csv");
  t.equal(table.get('content-security-policy'), null);
  const picture = await headersFor('image/png', 'a.png', 'text/html');
  t.equal(picture.get('content-type'), 'image/png', 'what comes with the bytes counts more');
  t.equal(picture.get('content-disposition'), "inline; filename*=UTF-8''a.png");
  t.equal((await headersFor('', null, null)).get('content-type'), 'application/octet-stream');
});

t.test('sizes that nobody knows, and none', async (t) => {
  let body: Buffer = Buffer.alloc(0);
  const { port, link } = await world(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    for (let at = 0; at < body.length; at += 50_000) response.write(body.subarray(at, at + 50_000));
    response.end();
  });
  for (const size of [0, 1, 256, 257, 1000, 65_536, CONTENT.length]) {
    body = CONTENT.subarray(0, size);
    const answer = await ask(port, link());
    t.ok(Buffer.from(await answer.arrayBuffer()).equals(body), String(size));
  }
});

const BLOCK = CONTENT.subarray(0, 65_536);
const TWO_BLOCKS = Buffer.concat([BLOCK, BLOCK]);

/** Endless or nearly so, counting what upstream could get rid of. */
function flood(size: number | null): {
  answer: (r: IncomingMessage, s: ServerResponse) => void;
  sent: () => number;
} {
  let sent = 0;
  return {
    sent: () => sent,
    answer: (_, response) => {
      response.writeHead(200, size === null ? {} : { 'content-length': size });
      const more = (): void => {
        for (; sent < (size ?? 64 * MIB); sent += 65_536) {
          if (!response.write(BLOCK)) {
            sent += 65_536;
            return void response.once('drain', more);
          }
        }
        response.end();
      };
      more();
    },
  };
}

t.test('a client that stops reading stops its upstream, and goes on where it stopped', async (t) => {
  for (const size of [64 * MIB, null]) {
    const { answer, sent } = flood(size);
    const { port, link } = await world(t, answer);
    const before = process.memoryUsage.rss();
    let received = 0;
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      httpRequest({ port, host: '127.0.0.1', path: link() }, resolve).on('error', reject).end(),
    );
    response.pause();
    let last = -1;
    await until(() => {
      const isStill = last === sent();
      last = sent();
      return isStill && last > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.ok(sent() < 32 * MIB, `upstream stands at ${sent()}`);
    t.ok(process.memoryUsage.rss() - before < 48 * MIB);
    let isSame = true;
    response.on('data', (chunk: Buffer) => {
      const at = received % BLOCK.length;
      isSame &&= TWO_BLOCKS.subarray(at, at + chunk.length).equals(chunk);
      received += chunk.length;
    });
    response.resume();
    await once(response, 'end');
    t.equal(received, 64 * MIB, 'all of it arrives');
    t.ok(isSame, 'and each byte in its place');
  }
});

t.test('a client that reads nothing for too long is cut', async (t) => {
  for (const size of [64 * MIB, null]) {
    const { answer } = flood(size);
    const { port, link, cut, served } = await world(t, answer, 200);
    const client = await dial(t, port);
    client.socket.pause();
    client.socket.write(get(link()));
    t.ok(await until(() => served.records.length === 1, 15_000));
    t.match(served.records, [{ outcome: 'slow_client' }]);
    t.ok(await until(() => cut.length === 1), 'and upstream with it');
  }
});

t.test('a client that leaves closes upstream, in each phase', async (t) => {
  const { port, link, asked, cut, served } = await world(t, (request, response) => {
    if (request.headers.range === 'bytes=0-') response.writeHead(200, { 'content-length': 9 }).write('half');
  });
  for (const phase of ['waiting', 'streaming']) {
    const client = await dial(t, port);
    client.socket.write(get(link(), ...(phase === 'streaming' ? ['Range: bytes=0-'] : [])));
    const calls = asked.length;
    await until(() => (phase === 'waiting' ? asked.length > calls : client.text().includes('half')));
    const before = cut.length;
    client.socket.destroy();
    t.ok(await until(() => cut.length === before + 1), phase);
  }
  t.ok(await until(() => served.server.inflight === 0));
  t.match(served.records, [{ outcome: 'client_gone' }, { outcome: 'client_gone' }]);
});

t.test('failures before the first byte have a status, later ones cut the connection', async (t) => {
  let phase = '';
  const { port, link, served } = await world(t, (request, response) => {
    if (phase === 'refused')
      return void response.writeHead(403).end('{"detail":"File stream access denied."}');
    const size = phase.startsWith('sized') ? { 'content-length': 600_000 } : {};
    response.writeHead(200, size).flushHeaders();
    if (phase.endsWith('late')) response.write(CONTENT.subarray(0, 300_000));
    setTimeout(() => request.socket.destroy(), 20);
  });
  for (const [given, status] of [
    ['refused', 403],
    ['sized early', 502],
    ['chunked early', 502],
  ] as const) {
    phase = given;
    const answer = await ask(port, link());
    t.equal(answer.status, status, phase);
    t.match(await answer.json(), { error: { code: /^upstream_/ } });
  }
  for (const given of ['sized late', 'chunked late']) {
    phase = given;
    const answer = await ask(port, link());
    t.equal(answer.status, 200, phase);
    await t.rejects(answer.arrayBuffer(), phase);
  }
  t.ok(await until(() => served.records.length === 5));
  t.ok(served.records.every(({ outcome }) => outcome === 'error'));
});

t.test('a client may rest for longer than the native server likes', async (t) => {
  const { answer } = flood(16 * MIB);
  const { port, link } = await world(t, answer);
  const client = await dial(t, port);
  client.socket.pause();
  client.socket.write(get(link()));
  await new Promise((resolve) => setTimeout(resolve, 13_000));
  client.socket.resume();
  t.ok(await until(() => client.bytes() > 16 * MIB), `${client.bytes()} bytes arrived`);
});
