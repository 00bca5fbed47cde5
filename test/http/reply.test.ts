import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Reply } from '../../src/http/reply.ts';
import { readBody } from '../../src/http/read-body.ts';
import type { Route } from '../../src/http/router.ts';
import { dial, get, serve, until } from './serve.ts';

const MAX_BYTES = 1024 * 1024;

const UPLOAD: Route = {
  method: 'POST',
  path: '/v1/upload',
  handler: async (request, reply) => {
    const body = await readBody(reply, request, MAX_BYTES);
    reply.json(200, { bytes: body.byteLength, sum: body.reduce((sum, byte) => (sum + byte) % 65_521, 0) });
  },
};

function upload(body: string, ...headers: string[]): string {
  return `${['POST /v1/upload HTTP/1.1', 'Host: x', ...headers].join('\r\n')}\r\n\r\n${body}`;
}

/** Sends with an ordinary HTTP client that writes on without looking at the answer. */
function post(port: number, body: Buffer, headers: Record<string, string>): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/v1/upload', method: 'POST', headers };
    const request = httpRequest(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve([response.statusCode ?? 0, text]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

t.test('bodies arrive whole, in one piece or in many', async (t) => {
  const { port } = await serve(t, { routes: [UPLOAD] });
  const body = Buffer.alloc(MAX_BYTES, 'abcdefg');
  const sum = body.reduce((total, byte) => (total + byte) % 65_521, 0);
  const expected = JSON.stringify({ bytes: MAX_BYTES, sum });
  t.same(await post(port, body, { 'content-length': String(MAX_BYTES) }), [200, expected]);
  t.same(await post(port, body, { 'transfer-encoding': 'chunked' }), [200, expected]);

  const empty = await dial(t, port);
  empty.socket.write(upload(''));
  t.ok(await until(() => empty.text().includes('{"bytes":0,"sum":0}')));

  const dripping = await dial(t, port);
  dripping.socket.write(upload('', 'content-length: 3'));
  for (const letter of 'abc') {
    await sleep(10);
    dripping.socket.write(letter);
  }
  t.ok(await until(() => dripping.text().includes('"bytes":3')));

  const notText = await dial(t, port);
  notText.socket.write(upload('', 'content-length: 2'));
  notText.socket.write(Buffer.from([0xff, 0xfe]));
  t.ok(await until(() => notText.text().includes('"sum":509')));
});

t.test('one byte too many is told with 413, and the connection ends', async (t) => {
  const { port, server, records } = await serve(t, { routes: [UPLOAD] });
  const tooBig = Buffer.alloc(MAX_BYTES + 1);
  for (const headers of [{ 'content-length': String(MAX_BYTES + 1) }, { 'transfer-encoding': 'chunked' }]) {
    const [status, text] = await post(port, tooBig, headers);
    t.equal(status, 413);
    t.match(JSON.parse(text), { error: { code: 'request_too_large', type: 'invalid_request_error' } });
  }
  t.ok(await until(() => server.inflight === 0));
  t.match(records, [
    { status: 413, outcome: 'error' },
    { status: 413, outcome: 'error' },
  ]);
});

t.test('a client that sends far too much still reads its 413', async (t) => {
  const { port } = await serve(t, { routes: [UPLOAD] });
  const huge = Buffer.alloc(40 * MAX_BYTES);
  for (let n = 0; n < 5; n += 1) {
    const [status] = await post(port, huge, { 'content-length': String(huge.byteLength) });
    t.equal(status, 413);
  }
});

t.test('a client that reads only when it has sent everything finds its 413', async (t) => {
  const { port } = await serve(t, { routes: [UPLOAD] });
  const client = await dial(t, port);
  let failed = false;
  client.socket.on('error', () => (failed = true));
  client.socket.pause();
  client.socket.write(upload('', `content-length: ${MAX_BYTES + 10}`));
  client.socket.write(Buffer.alloc(MAX_BYTES));
  for (let n = 0; n < 10; n += 1) {
    await sleep(20);
    client.socket.write('x');
  }
  client.socket.resume();
  t.ok(await until(() => client.text().includes('request_too_large')));
  await client.closed;
  t.equal(failed, false);
});

t.test('a declared excess is refused before it is sent, and a silent sender is cut', async (t) => {
  const { port, server } = await serve(t, { routes: [UPLOAD] });
  const client = await dial(t, port);
  client.socket.write(upload('', `content-length: ${MAX_BYTES + 1}`));
  t.ok(await until(() => client.text().includes('request_too_large'), 1_500));
  t.match(client.text(), /connection: close/i);
  await client.closed;
  t.equal(server.inflight, 0);
});

t.test('a client that leaves in the middle of its body frees everything', async (t) => {
  const { port, server, records, internalErrors } = await serve(t, { routes: [UPLOAD] });
  const client = await dial(t, port);
  client.socket.write(upload('abc', 'content-length: 10'));
  await until(() => server.inflight === 1);
  client.socket.destroy();
  t.ok(await until(() => server.inflight === 0));
  await sleep(10);
  t.match(records, [{ status: null, outcome: 'client_gone' }]);
  t.same(internalErrors, []);
});

t.test('a body claimed too late is a bug that answers 500, not a hang', async (t) => {
  const late: Route = {
    method: 'POST',
    path: '/v1/upload',
    handler: async (request, reply) => {
      await sleep(5);
      await readBody(reply, request, MAX_BYTES);
    },
  };
  const { port, internalErrors } = await serve(t, { routes: [late] });
  const [status] = await post(port, Buffer.from('abc'), {});
  t.equal(status, 500);
  t.match(internalErrors, [{ message: /before the first await/ }]);
});

t.test('an answer sent while the body still arrives leaves the connection in order', async (t) => {
  const early: Route = {
    method: 'POST',
    path: '/v1/upload',
    handler: (request, reply) => {
      void readBody(reply, request, MAX_BYTES).catch(() => undefined);
      reply.json(200, { early: true });
    },
  };
  const { port } = await serve(t, { routes: [early] });
  const client = await dial(t, port);
  client.socket.write(upload('abc', 'content-length: 6'));
  t.ok(await until(() => client.text().includes('{"early":true}')));
  client.socket.write(`def${get('/healthz')}`);
  t.ok(await until(() => client.text().includes('{"status":"ok"}')));
});

function big(bytes: number): { route: Route; replies: Reply[] } {
  const replies: Reply[] = [];
  const body = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) body[at] = (at >> 8) ^ at;
  const route: Route = {
    method: 'GET',
    path: '/v1/big',
    handler: (_request, reply) => {
      replies.push(reply);
      reply.send(200, body, [['content-type', 'application/octet-stream']]);
    },
  };
  return { route, replies };
}

t.test('20 MB reach a slow reader whole, and only then the request is over', async (t) => {
  const bytes = 20_000_000;
  const { route } = big(bytes);
  const { port, server, records } = await serve(t, { routes: [route] });
  const client = await dial(t, port);
  const parts: Buffer[] = [];
  client.socket.pause();
  client.socket.on('data', (chunk) => {
    parts.push(chunk);
    client.socket.pause();
    setTimeout(() => client.socket.resume(), 1);
  });
  client.socket.write(get('/v1/big'));
  t.ok(await until(() => server.inflight === 1));
  await sleep(100);
  t.equal(server.inflight, 1);
  client.socket.resume();
  t.ok(await until(() => client.bytes() > bytes, 30_000));
  t.ok(await until(() => server.inflight === 0));
  const all = Buffer.concat(parts);
  const body = all.subarray(all.indexOf('\r\n\r\n') + 4);
  t.equal(body.byteLength, bytes);
  t.ok(body.every((byte, at) => byte === (((at >> 8) ^ at) & 255)));
  t.match(records, [{ status: 200, bytesOut: bytes, outcome: 'ok' }]);
  client.socket.resume();
  client.socket.write(get('/healthz'));
});

t.test('a reader that leaves a large answer is seen as gone', async (t) => {
  const { route } = big(20_000_000);
  const { port, server, records } = await serve(t, { routes: [route] });
  const client = await dial(t, port);
  client.socket.pause();
  client.socket.write(get('/v1/big'));
  t.ok(await until(() => server.inflight === 1));
  client.socket.destroy();
  t.ok(await until(() => server.inflight === 0));
  t.match(records, [{ status: 200, outcome: 'client_gone' }]);
});
