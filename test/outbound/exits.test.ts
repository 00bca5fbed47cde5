import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Answer } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import type { Exits } from '../../src/outbound/exits.ts';
import { parseProxy } from '../../src/outbound/proxy.ts';
import { failure, listen, until } from '../helpers/loopback.ts';

const PASSWORD = 'canary-p%ss:word';
const LOGIN = `user:${encodeURIComponent(PASSWORD)}`;
const never = new AbortController().signal;

async function startBackend(t: Test): Promise<{ origin: string; paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    response.end('hello');
  });
  return { origin: `http://127.0.0.1:${await listen(t, server)}`, paths };
}

function openExits(t: Test, proxies: string[], connectTimeoutMs = 5_000): Exits {
  const exits = createExits({ proxies, connectTimeoutMs });
  t.teardown(() => exits.destroy());
  return exits;
}

function get(exits: Exits, origin: string, signal = never): Promise<Answer> {
  const request = { exit: exits.pick(), origin, method: 'GET', path: '/x', headers: {}, body: null } as const;
  return createExchange(exits)({ ...request, timeoutMs: 10_000, step: 'a test' }, signal);
}

/** A proxy that speaks CONNECT; answers with `status` and remembers the logins. */
async function startHttpProxy(
  t: Test,
  status = 200,
  delayMs = 0,
): Promise<{ port: number; logins: string[] }> {
  const logins: string[] = [];
  const server = createServer();
  server.on('connect', (request, client: Socket, head) => {
    logins.push(request.headers['proxy-authorization'] ?? '');
    if (status !== 200) return void client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const target = connect(Number(port), host, () => {
      setTimeout(() => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        target.write(head);
        target.pipe(client).pipe(target);
      }, delayMs);
    });
    target.on('error', () => client.destroy());
    t.teardown(() => target.destroy());
  });
  return { port: await listen(t, server), logins };
}

interface SocksRequest {
  readonly login: string;
  readonly kind: number;
}

/** A SOCKS 5 proxy, strict about the forms of RFC 1928 and 1929, slow with every byte it says. */
async function startSocksProxy(t: Test, reply = 0): Promise<{ port: number; requests: SocksRequest[] }> {
  const requests: SocksRequest[] = [];
  const serve = async (client: Socket): Promise<void> => {
    const chunks = client[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const next = async (): Promise<Buffer> => (await chunks.next()).value as Buffer;
    const greeting = await next();
    const wantsLogin = greeting.includes(2, 2);
    client.write(Buffer.from([5]));
    setTimeout(() => client.write(Buffer.from([wantsLogin ? 2 : 0])), 5);
    let login = '';
    if (wantsLogin) {
      const text = await next();
      const userBytes = text[1] ?? 0;
      login = `${text.toString('utf8', 2, 2 + userBytes)}|${text.toString('utf8', 3 + userBytes)}`;
      client.write(Buffer.from([1, 0]));
    }
    const wanted = await next();
    requests.push({ login, kind: wanted[3] ?? 0 });
    client.write(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]));
    if (reply !== 0) return void client.end();
    const target = connect(wanted.readUInt16BE(wanted.length - 2), '127.0.0.1');
    t.teardown(() => target.destroy());
    target.on('error', () => client.destroy()).on('data', (chunk) => client.write(chunk));
    for (let chunk = await next(); chunk !== undefined; chunk = await next()) target.write(chunk);
  };
  const server = createTcpServer((client) => void serve(client).catch(() => client.destroy()));
  return { port: await listen(t, server), requests };
}

t.test('straight out, connections are used again', async (t) => {
  const { origin, paths } = await startBackend(t);
  const exits = openExits(t, []);
  t.equal(exits.pick(), DIRECT);
  t.same(exits.names, [DIRECT]);
  t.match(await get(exits, origin), { status: 200, text: 'hello' });
  t.match(await get(exits, origin), { status: 200 });
  t.match(await get(exits, `${origin}/relay`), { status: 200 });
  t.same(paths, ['/x', '/x', '/relay/x'], 'a gateway may live under a path');
});

t.test('through an HTTP proxy with a login, in turn with the next one', async (t) => {
  const { origin } = await startBackend(t);
  const first = await startHttpProxy(t);
  const second = await startHttpProxy(t);
  const exits = openExits(t, [`http://${LOGIN}@127.0.0.1:${first.port}`, `http://127.0.0.1:${second.port}`]);
  t.same(exits.names, ['outbound proxy 1', 'outbound proxy 2']);
  t.match(await get(exits, origin), { text: 'hello' });
  t.match(await get(exits, origin), { text: 'hello' });
  t.same(first.logins, [`Basic ${Buffer.from(`user:${PASSWORD}`).toString('base64')}`]);
  t.same(second.logins, ['']);
});

t.test('through a SOCKS proxy, names looked up there or here', async (t) => {
  const { origin } = await startBackend(t);
  const named = origin.replace('127.0.0.1', 'localhost');
  const socks = await startSocksProxy(t);
  const remote = openExits(t, [`socks5h://${LOGIN}@127.0.0.1:${socks.port}`]);
  t.match(await get(remote, named), { text: 'hello' });
  const local = openExits(t, [`socks5://127.0.0.1:${socks.port}`]);
  t.match(await get(local, origin), { text: 'hello' });
  t.same(socks.requests, [
    { login: `user|${PASSWORD}`, kind: 3 },
    { login: '', kind: 1 },
  ]);
});

t.test('a proxy that refuses or is not there is named, its password is not', async (t) => {
  const { origin } = await startBackend(t);
  const refusing = await startHttpProxy(t, 407);
  const socks = await startSocksProxy(t, 2);
  const cases = [
    [`http://${LOGIN}@127.0.0.1:${refusing.port}`, /outbound proxy 1.*407/],
    [`socks5://${LOGIN}@127.0.0.1:${socks.port}`, /outbound proxy 1.*not allowed/],
    [`http://${LOGIN}@127.0.0.1:1`, /outbound proxy 1.*ECONNREFUSED/],
  ] as const;
  for (const [proxy, message] of cases) {
    const error = await failure(get(openExits(t, [proxy]), origin));
    t.match(error, { code: 'upstream_unreachable', retryable: true, message });
    t.notMatch(error.message + String(error.cause), /canary|127\.0\.0\.1:\d+@/);
  }
  t.throws(() => createExits({ proxies: [`ftp://${LOGIN}@x`], connectTimeoutMs: 1 }), { message: /entry 1/ });
});

t.test('a backend that is not there, or not in time, gets its own error', async (t) => {
  t.match(await failure(get(openExits(t, []), 'http://127.0.0.1:1')), {
    code: 'upstream_unreachable',
    message: /ECONNREFUSED.*CHATGPT_BASE_URL/,
    retryable: true,
  });
  const silent = await listen(
    t,
    createTcpServer(() => {}),
  );
  for (const proxy of [
    `http://127.0.0.1:${silent}`,
    `socks5://127.0.0.1:${silent}`,
    `https://127.0.0.1:${silent}`,
  ]) {
    const error = await failure(get(openExits(t, [proxy], 150), 'http://127.0.0.1:9'));
    t.match(error, { code: 'upstream_timeout', message: /CONNECT_TIMEOUT_MS/ }, proxy);
  }
  const secure = await failure(get(openExits(t, [], 150), `https://127.0.0.1:${silent}`));
  t.match(secure, { code: 'upstream_timeout', message: /CONNECT_TIMEOUT_MS/ });
});

t.test('who leaves while a connection is being made takes it along', async (t) => {
  const closed: Promise<unknown>[] = [];
  const silent = createTcpServer((socket) => {
    socket.resume();
    closed.push(once(socket, 'close'));
  });
  const port = await listen(t, silent);
  const ways = [
    [`http://127.0.0.1:${port}`, 'http://127.0.0.1:9'],
    [`socks5://127.0.0.1:${port}`, 'http://127.0.0.1:9'],
    [null, `https://127.0.0.1:${port}`],
  ] as const;
  for (const [proxy, origin] of ways) {
    const exits = openExits(t, proxy === null ? [] : [proxy], 60_000);
    const leaving = new AbortController();
    const connected = once(silent, 'connection');
    const waiting = get(exits, origin, leaving.signal);
    await connected;
    const startMs = performance.now();
    leaving.abort();
    await t.rejects(waiting, { name: 'AbortError' });
    await closed.at(-1);
    t.ok(performance.now() - startMs < 1_000, String(proxy));
  }
});

t.test('who leaves takes nobody else along', async (t) => {
  const { origin, paths } = await startBackend(t);
  const proxy = await startHttpProxy(t, 200, 100);
  const exits = openExits(t, [`http://127.0.0.1:${proxy.port}`]);
  const leaving = Array.from({ length: 5 }, () => new AbortController());
  const left = leaving.map(({ signal }) => t.rejects(get(exits, origin, signal), { name: 'AbortError' }));
  const staying = Array.from({ length: 5 }, () => get(exits, origin));
  setTimeout(() => leaving.forEach((controller) => controller.abort()), 30);
  await Promise.all(left);
  for (const answer of await Promise.all(staying)) t.match(answer, { text: 'hello' });
  t.equal(paths.length, 5);
});

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('file');
}

function put(exits: Exits, origin: string, signal = never): Promise<Answer> {
  const headers = { 'content-length': '4' };
  const request = { exit: exits.pick(), origin, method: 'PUT', path: '/x', headers, body: bytes() } as const;
  return createExchange(exits)({ ...request, timeoutMs: 10_000, step: 'a test' }, signal);
}

t.test('who leaves before a file could be sent takes the half-open connection along', async (t) => {
  const connections = new Set<Socket>();
  const blackHole = createTcpServer((socket) => {
    connections.add(socket.resume());
    socket.on('close', () => connections.delete(socket));
  });
  const port = await listen(t, blackHole);
  const exits = openExits(t, [`http://127.0.0.1:${port}`]);
  const client = new AbortController();
  const stays = put(exits, 'http://a.test', never).catch(() => null);
  const leaving = put(exits, 'http://a.test', client.signal).catch((reason: unknown) => reason);
  await until(() => connections.size === 2);
  client.abort(new Error('gone'));
  t.match(await leaving, { message: 'gone' });
  t.ok(await until(() => connections.size === 1), 'and only that one');
  await exits.destroy();
  await stays;
});

t.test('who leaves an answer behind leaves no connection, and no new one is made', async (t) => {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === '/prefix/x') response.end('hello');
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  const origin = `http://127.0.0.1:${await listen(t, server)}`;
  const exits = openExits(t, []);
  for (const send of [get, put, get]) {
    const client = new AbortController();
    const before = connections;
    const leaving = send(exits, origin, client.signal).catch((reason: unknown) => reason);
    await until(() => open.size === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.abort(new Error('gone'));
    t.match(await leaving, { message: 'gone' });
    t.ok(await until(() => open.size === 0));
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.equal(connections, before + 1);
  }
  t.equal((await get(exits, `${origin}/prefix`)).text, 'hello', 'the next one is served as ever');
});

t.test('an answer has a size and a time, and may come compressed', async (t) => {
  const { gzipSync } = await import('node:zlib');
  const server = createServer((request, response) => {
    if (request.url === '/gzip') {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('packed'));
    } else if (request.url === '/large') {
      response.on('error', () => {});
      response.end(Buffer.alloc(5 * 1024 * 1024));
    }
  });
  const origin = `http://127.0.0.1:${await listen(t, server)}`;
  const exits = openExits(t, []);
  const ask = (path: string, timeoutMs: number): Promise<Answer> => {
    const request = { exit: DIRECT, origin, method: 'GET', path, headers: {}, body: null } as const;
    return createExchange(exits)({ ...request, timeoutMs, step: 'the thing asked' }, never);
  };
  t.match(await ask('/gzip', 5_000), { text: 'packed' });
  t.match(await failure(ask('/large', 5_000)), { code: 'upstream_protocol_error', message: /4 MiB/ });
  t.match(await failure(ask('/silent', 100)), { code: 'upstream_timeout', message: /the thing asked/ });
});

t.test('after the end nothing is sent; ending twice is fine', async (t) => {
  const { origin } = await startBackend(t);
  const exits = openExits(t, []);
  await get(exits, origin);
  await exits.close();
  await exits.close();
  await exits.destroy();
  t.match(await failure(get(exits, origin)), { code: 'shutting_down' });
});

t.test('proxy addresses', (t) => {
  t.match(parseProxy('socks5h://[::1]', 'x'), { host: '::1', port: 1080, credentials: null });
  t.match(parseProxy('http://u:50%@h', 'x'), { port: 80, credentials: { user: 'u', password: '50%' } });
  for (const bad of ['', 'h:1', 'ftp://h', 'http://']) t.equal(parseProxy(bad, 'x'), null, bad);
  t.end();
});
