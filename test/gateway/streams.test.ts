import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import type { Env } from '../../src/config.ts';
import type { App } from '../../src/app.ts';
import { dial, until } from '../http/serve.ts';
import { ask, startGateway, startSite } from './site.ts';
import type { Site } from './site.ts';

const MIB = 1024 * 1024;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface World {
  readonly site: Site;
  readonly app: App;
  readonly port: number;
}

async function world(
  t: Test,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  env: Env = {},
): Promise<World> {
  const site = await startSite(t, handler);
  const { app, port } = await startGateway(t, site, env);
  return { site, app, port };
}

async function isFree({ app }: World): Promise<boolean> {
  return until(() => app.inflight.requests + app.inflight.upstreamCalls === 0);
}

t.test('both bodies flow at once, piece by piece', async (t) => {
  const all = await world(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    request.pipe(response);
  });
  const request = httpRequest({ port: all.port, path: '/echo', method: 'POST', agent: false });
  request.write('first');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  t.equal(String((await once(response, 'data'))[0]), 'first', 'before the request has ended');
  request.write('second');
  t.equal(String((await once(response, 'data'))[0]), 'second');
  request.end();
  await once(response, 'end');
  t.ok(await isFree(all));
});

t.test('an upload of 200 MB costs no memory, in either framing', async (t) => {
  let received = 0;
  const all = await world(t, (request, response) => {
    received = 0;
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => response.end('thanks'));
  });
  const block = Buffer.alloc(MIB, 'x');
  for (const framing of ['content-length: 209715200', 'transfer-encoding: chunked']) {
    const client = await dial(t, all.port);
    client.socket.write(`POST /upload HTTP/1.1\r\nhost: x\r\n${framing}\r\n\r\n`);
    const before = heldBytes();
    let peak = 0;
    for (let sent = 0; sent < 200; sent += 1) {
      const isChunked = framing.startsWith('t');
      if (isChunked) client.socket.write('100000\r\n');
      const isFull = !client.socket.write(block);
      if (isChunked) client.socket.write('\r\n');
      if (isFull) await once(client.socket, 'drain');
      if (sent % 10 === 0) peak = Math.max(peak, heldBytes() - before);
    }
    if (framing.startsWith('t')) client.socket.write('0\r\n\r\n');
    t.ok(await until(() => client.text().includes('thanks'), 20_000), framing);
    t.equal(received, 200 * MIB);
    t.ok(peak < 60 * MIB, `at most ${Math.round(peak / MIB)} MiB more`);
    client.socket.destroy();
  }
  t.ok(await isFree(all));
});

t.test('an upload waits for an upstream that does not read', async (t) => {
  let begin = (): void => {};
  let received = 0;
  const all = await world(t, (request, response) => {
    begin = () => request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => response.end('thanks'));
  });
  const client = await dial(t, all.port);
  client.socket.write(`POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: ${64 * MIB}\r\n\r\n`);
  for (let sent = 0; sent < 64; sent += 1) client.socket.write(Buffer.alloc(MIB, 'x'));
  let last = -1;
  await until(() => {
    const isStill = client.socket.bytesWritten - client.socket.writableLength === last;
    last = client.socket.bytesWritten - client.socket.writableLength;
    return isStill && last > 0;
  }, 500);
  await sleep(300);
  t.ok(client.socket.writableLength > 32 * MIB, `${client.socket.writableLength} bytes wait at the client`);
  begin();
  t.ok(await until(() => client.text().includes('thanks'), 20_000));
  t.equal(received, 64 * MIB);
  t.ok(await isFree(all));
});

t.test('a download waits for a client that does not read, and comes whole', async (t) => {
  for (const sized of [true, false]) {
    let produced = 0;
    const all = await world(t, (_, response) => {
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        ...(sized && { 'content-length': 64 * MIB }),
      });
      const block = Buffer.alloc(MIB, 'y');
      const more = (): void => {
        while (produced < 64) {
          produced += 1;
          if (!response.write(block)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const client = connect(all.port, '127.0.0.1');
    client.pause();
    t.teardown(() => client.destroy());
    client.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => produced > 0);
    await sleep(500);
    t.ok(produced < 40, `${produced} MiB left upstream`);
    let received = 0;
    let tail = '';
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = chunk.subarray(-16).toString();
    });
    client.resume();
    const isWhole = await until(() => (sized ? received > 64 * MIB : tail.endsWith('0\r\n\r\n')), 20_000);
    t.ok(isWhole, sized ? 'with a length' : 'in chunks');
    t.ok(received > 64 * MIB);
    t.ok(await isFree(all));
  }
});

t.test('what a slow reader has not got yet leaves also when upstream falls silent', async (t) => {
  let go = (): void => {};
  const all = await world(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write(Buffer.alloc(16 * MIB, 'z'));
    go = () => response.end();
  });
  const client = connect(all.port, '127.0.0.1');
  client.pause();
  t.teardown(() => client.destroy());
  client.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
  await sleep(300);
  let received = 0;
  client.on('data', (chunk: Buffer) => (received += chunk.length));
  client.resume();
  t.ok(await until(() => received > 16 * MIB), `${received} of ${16 * MIB} bytes`);
  go();
  t.ok(await isFree(all));
});

t.test('a client that leaves takes its upstream along, wherever it leaves', async (t) => {
  const all = await world(t, (request, response) => {
    if (request.url === '/upload') return void request.resume();
    if (request.url === '/stream')
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n');
  });
  const head = (path: string, rest = ''): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${rest}\r\n`;
  for (const [path, text] of [
    ['/upload', `POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf`],
    ['/wait', head('/wait')],
    ['/stream', head('/stream')],
  ] as const) {
    const client = await dial(t, all.port);
    client.socket.write(text);
    t.ok(await until(() => all.site.connections() === 1), `${path} arrived`);
    if (path === '/stream') await until(() => client.text().includes('data: x'));
    client.socket.destroy();
    t.ok(await until(() => all.site.connections() === 0), `${path} is over`);
    t.ok(await isFree(all));
  }
});

t.test('an early refusal of an upload is passed on, and the connection goes on', async (t) => {
  const all = await world(t, (request, response) => {
    if (request.url === '/next') return void response.end('fine');
    // Who closes at once, with bytes unread, takes back what was said: newer versions of Node.js do.
    response.writeHead(413, { 'content-length': '8' }).end('too much');
    setTimeout(() => request.socket.destroy(), 20);
  });
  const client = await dial(t, all.port);
  client.socket.write(`POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: ${8 * MIB}\r\n\r\n`);
  for (let sent = 0; sent < 8; sent += 1) client.socket.write(Buffer.alloc(MIB, 'x'));
  t.ok(await until(() => client.text().includes('HTTP/1.1 413')), 'the answer');
  await until(() => client.socket.writableLength === 0, 10_000);
  client.socket.write('GET /next HTTP/1.1\r\nhost: x\r\n\r\n');
  t.ok(await until(() => client.text().includes('fine')), 'the next one');
  t.ok(await isFree(all));
});

t.test('a client that reads nothing for too long is cut', async (t) => {
  const all = await world(
    t,
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      const more = (): void => {
        while (response.write(Buffer.alloc(MIB)));
        response.once('drain', more);
      };
      more();
    },
    { SLOW_CLIENT_TIMEOUT_MS: '300' },
  );
  const client = connect(all.port, '127.0.0.1');
  client.pause().on('error', () => {});
  t.teardown(() => client.destroy());
  client.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => all.app.inflight.requests === 1);
  t.ok(await isFree(all));
});

t.test('a silent stream of events is announced', async (t) => {
  const all = await world(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  });
  const client = await dial(t, all.port);
  client.socket.write('GET /events HTTP/1.1\r\nhost: x\r\n\r\n');
  t.ok(await until(() => client.text().includes('200 OK')));
});

t.test('web sockets', async (t) => {
  const closed: [number, string][] = [];
  const site = await startSite(t, (_, response) => response.end());
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols: (protocols) => (protocols.has('two') ? 'two' : false),
  });
  site.server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') {
      return void socket.end(
        'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nset-cookie: a=1; Domain=.chatgpt.com\r\n\r\nno',
      );
    }
    server.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', (message, binary) => {
        const word = (message as Buffer).toString();
        if (word === 'drop') return opened.terminate();
        if (word === 'bye') return opened.close(4001, 'upstream is tired');
        opened.send(message, { binary });
      });
      opened.on('close', (code, reason) => void closed.push([code, String(reason)]));
      opened.on('error', () => {});
    });
  });
  const { app, port } = await startGateway(t, site);
  const open = async (path = '/socket'): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['one', 'two']);
    t.teardown(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  };
  const heard = async (socket: WebSocket): Promise<Buffer> => (await once(socket, 'message'))[0] as Buffer;

  const socket = await open();
  t.equal(socket.protocol, 'two');
  t.equal(app.inflight.requests, 1);
  socket.send('text é');
  t.equal(String(await heard(socket)), 'text é');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  socket.send(bytes);
  t.strictSame(await heard(socket), bytes);
  for (const [part, fin] of [
    ['in ', false],
    ['three ', false],
    ['parts', true],
  ] as const)
    socket.send(part, { fin });
  t.equal(String(await heard(socket)), 'in three parts');
  const large = Buffer.alloc(20 * MIB, 'w');
  socket.send(large);
  t.ok((await heard(socket)).equals(large), '20 MiB');
  socket.close(4002, 'client is tired');
  t.ok(await until(() => closed.length === 1));
  t.strictSame(closed, [[4002, 'client is tired']]);

  const endOf = async (word: string): Promise<[number, string]> => {
    const one = await open();
    one.send(word);
    const [code, reason] = (await once(one, 'close')) as [number, Buffer];
    return [code, String(reason)];
  };
  t.strictSame(await endOf('bye'), [4001, 'upstream is tired']);
  t.strictSame(await endOf('drop'), [1006, '']);
  const lost = await open();
  lost.terminate();
  t.ok(await until(() => closed.at(-1)?.[0] === 1006), 'a client that is lost');

  const refused = new WebSocket(`ws://127.0.0.1:${port}/refused`);
  const [, response] = (await once(refused, 'unexpected-response')) as [unknown, IncomingMessage];
  t.equal(response.statusCode, 403);
  t.strictSame(response.headers['set-cookie'], ['a=1']);
  refused.on('error', () => {}).terminate();

  for (const path of ['/v1/models', '//tokens', '/healthz']) {
    const ours = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    const [, answer] = (await once(ours, 'unexpected-response')) as [unknown, IncomingMessage];
    t.ok([200, 401, 404].includes(answer.statusCode ?? 0), `${path} ${answer.statusCode}`);
    ours.on('error', () => {}).terminate();
  }
  t.ok(await until(() => app.inflight.requests === 0 && site.connections() === 0));

  const last = await open();
  const ended = once(last, 'close');
  await app.close();
  t.equal((await ended)[0], 1001, 'going away');
});

t.test('a web socket that reads slowly holds its upstream back', async (t) => {
  let sent = 0;
  const site = await startSite(t, (_, response) => response.end());
  const server = new WebSocketServer({ server: site.server });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    const more = (): void => {
      if (sent >= 64) return;
      sent += 1;
      socket.send(Buffer.alloc(MIB), more);
    };
    more();
  });
  const { port } = await startGateway(t, site);
  const client = new WebSocket(`ws://127.0.0.1:${port}/socket`);
  t.teardown(() => client.terminate());
  await once(client, 'open');
  client.pause();
  await sleep(500);
  t.ok(sent < 40, `${sent} MiB left upstream`);
  let received = 0;
  client.on('message', (message: Buffer) => (received += message.length));
  client.resume();
  t.ok(await until(() => received === 64 * MIB, 20_000), `${received} bytes`);
});

t.test('an address that upstream answers is asked again on the same connection', async (t) => {
  const all = await world(t, (_, response) => response.end('x'.repeat(10)));
  for (let turn = 0; turn < 5; turn += 1) t.equal((await ask(all.port, '/')).body.length, 10);
  t.equal(all.site.connections(), 1);
});

/** Outside the heap, without garbage. */
function heldBytes(): number {
  collect();
  return process.memoryUsage().external;
}
