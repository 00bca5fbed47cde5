import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { ChatError } from '../../src/errors.ts';
import { isLocalName, isPublicAddress } from '../../src/outbound/address-guard.ts';
import { createByteQueue } from '../../src/outbound/byte-queue.ts';
import { createFetchFile } from '../../src/outbound/fetch-file.ts';
import type { FetchFileOptions } from '../../src/outbound/fetch-file.ts';

const PARAM = 'messages[0].content[1].image_url.url';

interface Listening {
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
}

async function listen(t: Test, server: Server, host = '127.0.0.1'): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** Polls; false when it did not come true in good time. */
async function until(check: () => boolean, timeoutMs = 5_000): Promise<boolean> {
  const endsAt = Date.now() + timeoutMs;
  while (!check() && Date.now() < endsAt) await sleep(5);
  return check();
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

const serve = (t: Test, listener: Listener): Promise<Listening> =>
  listen(
    t,
    createServer((request, response) => void listener(request, response)),
  );

const loopbackToo = (address: string): boolean => address === '127.0.0.1' || isPublicAddress(address);

const fetcher = (given: Partial<FetchFileOptions> = {}): ReturnType<typeof createFetchFile> =>
  createFetchFile({
    proxyUrl: null,
    userAgent: 'a-browser',
    maxBytes: 1024 * 1024,
    connectTimeoutMs: 5_000,
    allowAddress: loopbackToo,
    ...given,
  });

const untilEnd = async (chunks: AsyncIterable<Uint8Array>): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
};

/** The whole of a fetch, or its failure. */
async function outcome(
  fetchFile: ReturnType<typeof createFetchFile>,
  url: string,
  signal = new AbortController().signal,
): Promise<unknown> {
  try {
    const file = await fetchFile(url, PARAM, signal);
    try {
      return { mimeType: file.mimeType, sizeBytes: file.sizeBytes, text: await untilEnd(file.chunks) };
    } finally {
      file.close();
    }
  } catch (error) {
    if (!(error instanceof ChatError)) return error;
    return { code: error.code, param: error.param, status: error.status, message: error.message };
  }
}

const forbidden = { code: 'invalid_attachment', param: PARAM, status: 400, message: /private or local/ };

t.test('which addresses are public', (t) => {
  const no =
    '0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.255 ' +
    '169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 ' +
    '198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 ' +
    ':: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.1.2.3 ::ffff:a9fe:a9fe ' +
    '0:0:0:0:0:ffff:c0a8:0101 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b:1::8.8.8.8 ' +
    '2002:7f00:1:: 2002:808:808:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 fd00:ec2::254 ' +
    'fc00::1 fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff02::1 100::1 5f00::1 ' +
    'localhost example.com 1 0x7f.1 127.1 2130706433';
  const yes =
    '1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.1 198.17.1.1 223.255.255.255 ' +
    '2606:4700::1111 2001:4860:4860::8888 2a00:1450:4001::1 ::ffff:8.8.8.8 ::ffff:808:808 64:ff9b::8.8.8.8';
  for (const address of no.split(' ')) t.equal(isPublicAddress(address), false, address);
  for (const address of yes.split(' ')) t.equal(isPublicAddress(address), true, address);
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const groups = address.split('.').map(Number);
      const hex = groups.map((group) => group.toString(16).padStart(2, '0'));
      const mapped = `::ffff:${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
      return isPublicAddress(address) === isPublicAddress(mapped);
    }),
  );
  t.end();
});

t.test('which names are local', (t) => {
  for (const name of 'localhost localhost. LOCALHOST a.localhost redis metadata.google.internal printer.local'.split(
    ' ',
  ))
    t.equal(isLocalName(name), true, name);
  for (const name of ['example.com', 'localhost.example.com', 'internal.example.com.']) {
    t.equal(isLocalName(name), false, name);
  }
  t.end();
});

t.test('a file arrives with its type and length', async (t) => {
  let seen: IncomingMessage['headers'] = {};
  const { port } = await serve(t, (request, response) => {
    seen = request.headers;
    if (request.url === '/chunked?a=b') response.setHeader('content-type', 'Text/Plain; charset=utf-8');
    else response.setHeader('content-length', 4);
    response.end('file');
  });
  t.strictSame(await outcome(fetcher(), `http://127.0.0.1:${port}/`), {
    mimeType: null,
    sizeBytes: 4,
    text: 'file',
  });
  t.match(await outcome(fetcher(), `http://127.0.0.1:${port}/chunked?a=b`), {
    mimeType: 'text/plain',
    text: 'file',
  });
  const strange = await serve(t, (_request, response) =>
    response.writeHead(200, { 'content-type': 'im\u00e9age/png x' }).end('x'),
  );
  t.match(await outcome(fetcher(), `http://127.0.0.1:${strange.port}/`), { mimeType: null, text: 'x' });
  t.match(seen, { host: `127.0.0.1:${port}`, 'accept-encoding': 'identity', 'user-agent': 'a-browser' });
  t.notOk('authorization' in seen || 'cookie' in seen);
});

t.test('the private network stays out of reach', async (t) => {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const { port } = await listen(t, server);
  const hosts =
    '127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 017700000001 0 0.0.0.0 127.0.0.1. localhost a.localhost ' +
    '[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::127.0.0.1] [2002:7f00:1::] [fd00:ec2::254] ' +
    '169.254.169.254 10.0.0.1 100.64.0.1 224.0.0.1 192.168.0.1 172.16.0.1 user:password@127.0.0.1 ' +
    '%31%32%37.0.0.1 \uff11\uff12\uff17.0.0.1';
  const strict = fetcher({ allowAddress: undefined });
  for (const host of hosts.split(' ')) {
    t.match(await outcome(strict, `http://${host}:${port}/`), forbidden, host);
  }
  for (const addresses of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::ffff:127.0.0.1'], ['::1']]) {
    const fetchFile = fetcher({ allowAddress: undefined, lookup: () => Promise.resolve(addresses) });
    t.match(await outcome(fetchFile, `http://innocent.example:${port}/`), forbidden, addresses.join());
  }
  t.equal(connections, 0, 'nobody was called');
});

t.test('a name is looked up once, and the connection goes to the address that was checked', async (t) => {
  const { port } = await serve(t, (request, response) => response.end(request.headers.host));
  let lookups = 0;
  const rebinding = (): Promise<readonly string[]> => {
    lookups += 1;
    return Promise.resolve([lookups === 1 ? '127.0.0.1' : '192.0.2.1']);
  };
  const host = `no-such-name.invalid:${port}`;
  t.match(await outcome(fetcher({ lookup: rebinding }), `http://${host}/`), { text: host });
  t.equal(lookups, 1);
});

t.test('redirects are followed, and each is checked anew', async (t) => {
  const { port } = await serve(t, (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) return response.end('there');
    if (Number.isNaN(left))
      return response.writeHead(302, { location: decodeURIComponent(request.url?.slice(1) ?? '') }).end();
    return response
      .writeHead([301, 302, 303, 307, 308][left % 5] ?? 302, { location: `/${left - 1}` })
      .end('moved');
  });
  const base = `http://127.0.0.1:${port}`;
  t.match(await outcome(fetcher(), `${base}/5`), { text: 'there' });
  t.match(await outcome(fetcher(), `${base}/6`), { code: 'invalid_attachment', message: /more than 5/ });
  const privates = [
    'http://127.0.0.2/',
    'http://[::1]/',
    'http://localhost/',
    'http://169.254.169.254/latest',
    '//10.0.0.1/',
    'http://2130706434/',
  ];
  for (const target of privates) {
    t.match(await outcome(fetcher(), `${base}/${encodeURIComponent(target)}`), forbidden, target);
  }
  for (const target of ['file:///etc/passwd', 'ftp://a.test/', 'data:text/plain,x', 'http://', ' ']) {
    const failed = await outcome(fetcher(), `${base}/${encodeURIComponent(target)}`);
    t.match(failed, { code: 'invalid_attachment', param: PARAM, message: /redirects/ }, target);
  }
  const named = fetcher({ lookup: () => Promise.resolve(['192.168.0.1']) });
  t.match(await outcome(named, `${base}/${encodeURIComponent('http://inner.example/')}`), forbidden);
});

t.test('what goes wrong names the field', async (t) => {
  const big = 'x'.repeat(2000);
  const { port } = await serve(t, (request, response) => {
    switch (request.url) {
      case '/404':
        return response.writeHead(404).end();
      case '/204':
        return response.writeHead(204).end();
      case '/gzip':
        return response.writeHead(200, { 'content-encoding': 'gzip' }).end(big);
      case '/declared':
        return response.writeHead(200, { 'content-length': '999999999' }).write('x');
      case '/undeclared':
        response.write(big);
        return response.end(big);
      case '/cut':
        response.writeHead(200, { 'content-length': '100' }).write('half');
        return setTimeout(() => response.destroy(), 20);
      default:
        return request.socket.destroy();
    }
  });
  const base = `http://127.0.0.1:${port}`;
  const fetchFile = fetcher({ maxBytes: 3000, lookup: () => Promise.reject(new Error('ENOTFOUND')) });
  const cases: [string, string, RegExp][] = [
    [`${base}/404`, 'invalid_attachment', /answered 404/],
    [`${base}/204`, 'invalid_attachment', /answered 204/],
    [`${base}/gzip`, 'invalid_attachment', /compressed/],
    [`${base}/cut`, 'invalid_attachment', /broke/],
    [`${base}/reset`, 'invalid_attachment', /broke/],
    [`${base}/declared`, 'request_too_large', /3000.*MAX_FILE_BYTES/],
    [`${base}/undeclared`, 'request_too_large', /3000.*MAX_FILE_BYTES/],
    ['http://no-such-name.invalid/', 'invalid_attachment', /not known/],
    ['http://127.0.0.1:1/', 'invalid_attachment', /cannot be reached/],
  ];
  for (const [url, code, message] of cases) {
    const status = code === 'request_too_large' ? 413 : 400;
    t.match(await outcome(fetchFile, url), { code, param: PARAM, message, status }, url);
  }
});

t.test('a server that is too slow, in the head or in the body', async (t) => {
  const { port, sockets } = await serve(t, (request, response) => {
    if (request.url === '/body') response.writeHead(200).write('half');
  });
  const fetchFile = fetcher({ timeoutMs: 80 });
  for (const path of ['/head', '/body']) {
    t.match(await outcome(fetchFile, `http://127.0.0.1:${port}${path}`), {
      code: 'invalid_attachment',
      message: /within 0\.08 s/,
    });
  }
  t.ok(await until(() => sockets.size === 0), 'no connection stays');
});

t.test('a reader that takes nothing holds the server back, and its own time does not count', async (t) => {
  const total = 32 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024);
  let written = 0;
  function* flood(): Generator<Buffer> {
    for (; written < total; written += chunk.length) yield chunk;
  }
  const { port } = await serve(t, (_request, response) =>
    pipeline(Readable.from(flood()), response).catch(() => {}),
  );
  const fetchFile = fetcher({ maxBytes: total, timeoutMs: 2_000 });
  const file = await fetchFile(`http://127.0.0.1:${port}/`, PARAM, new AbortController().signal);
  await sleep(2_500);
  t.ok(written < 24 * 1024 * 1024, `${written} bytes left the server`);
  let read = 0;
  for await (const chunk of file.chunks) read += chunk.length;
  t.equal(read, total);
  file.close();
});

t.test('who leaves, leaves at once and takes the connection along', async (t) => {
  const { port, sockets } = await serve(t, (request, response) => {
    if (request.url === '/body') response.writeHead(200).write('half');
  });
  const gone = new Error('gone');
  for (const path of ['/head', '/body']) {
    const client = new AbortController();
    const leaving = outcome(fetcher(), `http://127.0.0.1:${port}${path}`, client.signal);
    t.ok(await until(() => sockets.size === 1), path);
    await sleep(20);
    client.abort(gone);
    t.equal(await leaving, gone, path);
    t.ok(await until(() => sockets.size === 0), `${path}: the connection`);
  }
  const client = new AbortController();
  const lookup = (): Promise<never> => new Promise(() => {});
  const looking = outcome(fetcher({ lookup }), 'http://slow.example/', client.signal);
  client.abort(gone);
  t.equal(await looking, gone, 'during the lookup');
});

/** An HTTP proxy that remembers whom it was asked for, and connects to `port` whoever it was. */
async function serveProxy(
  t: Test,
  port: number,
): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createTcpServer((socket) => {
    socket.once('data', (head) => {
      asked.push(head.toString('latin1').split('\r\n')[0] ?? '');
      const target = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      target.on('error', () => socket.destroy());
      socket.on('error', () => {}).on('close', () => target.destroy());
      socket.pipe(target).pipe(socket);
    });
  });
  const proxy = await listen(t, server);
  return { url: `http://user:canary@127.0.0.1:${proxy.port}`, asked };
}

t.test(
  'EXPORT_PROXY_URL: all goes through the proxy, and private addresses are refused before',
  async (t) => {
    const { port } = await serve(t, (request, response) => response.end(request.headers.host));
    const proxy = await serveProxy(t, port);
    const through = (lookup: FetchFileOptions['lookup'] & {}): ReturnType<typeof createFetchFile> =>
      fetcher({ proxyUrl: proxy.url, allowAddress: undefined, lookup });
    const known = through(() => Promise.resolve(['2606:4700::1', '93.184.216.34']));
    const unknown = through(() => Promise.reject(new Error('ENOTFOUND')));
    const inner = through(() => Promise.resolve(['10.0.0.1']));
    t.match(await outcome(known, 'http://files.example/a'), { text: 'files.example' });
    t.match(await outcome(unknown, 'http://only-the-proxy.example/'), { text: 'only-the-proxy.example' });
    t.match(await outcome(known, 'http://1.1.1.1:8080/'), { text: '1.1.1.1:8080' });
    t.strictSame(proxy.asked, [
      'CONNECT 93.184.216.34:80 HTTP/1.1',
      'CONNECT only-the-proxy.example:80 HTTP/1.1',
      'CONNECT 1.1.1.1:8080 HTTP/1.1',
    ]);
    t.match(await outcome(inner, 'http://files.example/'), forbidden);
    for (const url of [
      'http://127.0.0.1/',
      'http://localhost/',
      'http://redis/',
      'http://[::1]/',
      'http://0x7f.1/',
    ]) {
      t.match(await outcome(unknown, url), forbidden, url);
    }
    t.equal(proxy.asked.length, 3);
  },
);

t.test('a proxy that cannot be reached is not the fault of the file', async (t) => {
  const fetchFile = fetcher({
    proxyUrl: 'http://user:canary@127.0.0.1:1',
    lookup: () => Promise.resolve(['1.1.1.1']),
  });
  const failed = await outcome(fetchFile, 'http://files.example/');
  t.match(failed, { code: 'upstream_unreachable', message: /EXPORT_PROXY_URL/ });
  t.notMatch(JSON.stringify(failed), 'canary');
});

t.test('a queue pauses its flow when full, resumes it when read, and ends once', async (t) => {
  const flow: string[] = [];
  const queue = createByteQueue({ pause: () => flow.push('pause'), resume: () => flow.push('resume') });
  const chunk = Buffer.alloc(100 * 1024);
  for (let count = 0; count < 4; count += 1) queue.push(chunk);
  t.strictSame(flow, ['pause']);
  await queue.next();
  await queue.next();
  t.strictSame(flow, ['pause', 'resume']);
  queue.end();
  queue.push(chunk);
  await queue.next();
  await queue.next();
  t.match(await queue.next(), { done: true });
  queue.fail(new Error('late'));
  t.match(await queue.next(), { done: true });
});
