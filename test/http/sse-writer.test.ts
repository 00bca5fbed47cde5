import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { Reply } from '../../src/http/reply.ts';
import { SseWriter } from '../../src/http/sse-writer.ts';
import type { SseOptions } from '../../src/http/sse-writer.ts';
import { dial, get, serve, until } from './serve.ts';
import type { RawClient, Served } from './serve.ts';

interface Stream extends Served {
  readonly client: RawClient;
  readonly writer: SseWriter;
  readonly reply: Reply;
}

/** A stream that is open, seen from both ends. */
async function stream(t: Test, options: Partial<SseOptions> = {}): Promise<Stream> {
  const opened: [SseWriter, Reply][] = [];
  const served = await serve(t, {
    routes: [
      {
        method: 'GET',
        path: '/s',
        handler: (_request, reply) => {
          const writer = new SseWriter(reply, options);
          opened.push([writer, reply]);
          writer.open();
        },
      },
    ],
  });
  const client = await dial(t, served.port);
  client.socket.write(get('/s'));
  await until(() => client.text().includes(': ok\n\n'));
  const [writer, reply] = opened[0] as [SseWriter, Reply];
  return { ...served, client, writer, reply };
}

/** The body with its chunk framing taken off. */
function body(client: RawClient): string {
  const text = client.text();
  let rest = text.slice(text.indexOf('\r\n\r\n') + 4);
  const parts: string[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return parts.join('');
    parts.push(rest.slice(end + 2, end + 2 + size));
    rest = rest.slice(end + 2 + size + 2);
  }
}

/** Writes until refused; what was written. */
async function fill(writer: SseWriter, frame: string): Promise<number> {
  let written = 0;
  while (writer.write(frame)) {
    written += frame.length;
    if (written % (frame.length * 64) === 0) await sleep(0);
    if (written > 64_000_000) throw new Error('never refused');
  }
  return written + frame.length;
}

t.test('the head leaves at once, with what proxies and clients need to see', async (t) => {
  const { client, writer, records } = await stream(t);
  const head = client.text();
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  t.match(head, /\r\ncontent-type: text\/event-stream; charset=utf-8\r\n/i);
  t.match(head, /\r\ncache-control: no-cache, no-transform\r\n/i);
  t.match(head, /\r\nx-accel-buffering: no\r\n/i);
  t.match(head, /\r\nx-request-id: req_/i);
  t.match(head, /\r\naccess-control-allow-origin: \*\r\n/i);
  t.notMatch(head, /content-encoding/i);
  writer.write('data: é\n\n');
  writer.end('data: [DONE]\n\n');
  const whole = ': ok\n\ndata: é\n\ndata: [DONE]\n\n';
  t.ok(await until(() => client.text().endsWith('0\r\n\r\n')));
  t.ok(client.text().includes('data: é\n\ndata: [DONE]\n\n'));
  t.match(records, [{ status: 200, outcome: 'ok', bytesOut: Buffer.byteLength(whole) }]);
  t.equal(writer.closed, true);
});

t.test('a head that may wait takes the frames of its tick along', async (t) => {
  const acts: Record<string, (writer: SseWriter, reply: Reply) => void> = {
    '/alone': () => {},
    '/frames': (writer) => writer.write('data: a\n\n'),
    '/now': (writer) => {
      writer.open();
      writer.write('data: a\n\n');
    },
    '/failed': (writer) => {
      writer.write('data: a\n\n');
      writer.fail('data: b\n\n');
    },
    '/refused': (_, reply) => reply.fail(new ChatError('internal_error', 'x')),
    '/cut': (_, reply) => reply.cut('error'),
  };
  const { port, records, internalErrors } = await serve(t, {
    routes: Object.entries(acts).map(([path, act]) => ({
      method: 'GET',
      path,
      handler: (_request, reply) => {
        const writer = new SseWriter(reply);
        writer.openWithFrames();
        t.equal(writer.opened, true);
        t.equal(reply.started, false);
        act(writer, reply);
      },
    })),
  });
  const said = async (path: string, end: string): Promise<string> => {
    const client = await dial(t, port);
    client.socket.write(get(path));
    t.ok(await until(() => client.text().endsWith(end)), path);
    return client.text().split('\r\n\r\n').slice(1).join('\r\n\r\n');
  };
  t.match(await said('/alone', ': ok\n\n'), /^6\r\n: ok\n\n/);
  t.match(await said('/frames', 'data: a\n\n'), /^f\r\n: ok\n\ndata: a\n\n/);
  t.match(await said('/now', 'data: a\n\n'), /^6\r\n: ok\n\n\r\n9\r\ndata: a\n\n/);
  t.equal(await said('/failed', '0\r\n\r\n'), '18\r\n: ok\n\ndata: a\n\ndata: b\n\n\r\n0\r\n\r\n');
  t.match(await said('/refused', '}'), /^{"error":/);
  const cut = await dial(t, port);
  cut.socket.write(get('/cut'));
  await cut.closed;
  t.equal(cut.text(), '');
  t.match(
    records.map(({ route, outcome }) => `${route} ${outcome}`),
    ['/failed error', '/refused error', '/cut error'],
  );
  t.same(internalErrors, []);
});

t.test('frames written in one go leave as one chunk, those of later as another', async (t) => {
  const { client, writer } = await stream(t);
  for (const letter of 'abc') t.equal(writer.write(`data: ${letter}\n\n`), true);
  await sleep(20);
  writer.write('data: d\n\n');
  writer.flush();
  writer.end('data: e\n\n');
  t.ok(await until(() => client.text().endsWith('0\r\n\r\n')));
  t.match(
    client.text(),
    '1b\r\ndata: a\n\ndata: b\n\ndata: c\n\n\r\n9\r\ndata: d\n\n\r\n9\r\ndata: e\n\n\r\n0\r\n',
  );
});

t.test('what is held leaves with an end to which only microtasks lead, or behind them', async (t) => {
  const lead = async (): Promise<void> => {
    for (let hops = 0; hops < 50; hops += 1) await Promise.resolve();
  };
  const { client, writer } = await stream(t);
  writer.hold();
  writer.write('data: a\n\n');
  await lead();
  writer.write('data: b\n\n');
  await sleep(20);
  writer.write('data: c\n\n');
  await lead();
  writer.write('data: d\n\n');
  writer.hold();
  await lead();
  writer.end('data: e\n\n');
  t.ok(await until(() => client.text().endsWith('0\r\n\r\n')));
  const [held, notHeld, last] = ['12\r\ndata: a\n\ndata: b', '9\r\ndata: c', '12\r\ndata: d\n\ndata: e'];
  t.ok(client.text().endsWith(`: ok\n\n\r\n${held}\n\n\r\n${notHeld}\n\n\r\n${last}\n\n\r\n0\r\n\r\n`));

  const { port, records } = await serve(t, {
    routes: [
      {
        method: 'GET',
        path: '/whole',
        handler: async (_request, reply) => {
          const whole = new SseWriter(reply, { keepAliveMs: 20 });
          whole.openOnSilence();
          whole.hold();
          whole.openWithFrames();
          await lead();
          whole.end('data: c\n\n');
          t.equal(whole.closed, true);
        },
      },
    ],
  });
  const other = await dial(t, port);
  other.socket.write(get('/whole', 'Connection: close'));
  t.ok(await until(() => other.text().endsWith('0\r\n\r\n')));
  await sleep(60);
  t.match(other.text(), /\r\n\r\nf\r\n: ok\n\ndata: c\n\n\r\n0\r\n\r\n$/);
  t.match(records, [{ status: 200, outcome: 'ok', bytesOut: 15 }]);
});

t.test('where nothing is said for long, the head leaves by itself', async (t) => {
  const { port } = await serve(t, {
    routes: [
      {
        method: 'GET',
        path: '/silent',
        handler: (_request, reply) => {
          const writer = new SseWriter(reply, { keepAliveMs: 50 });
          writer.openOnSilence();
          t.equal(writer.opened, false);
        },
      },
    ],
  });
  const client = await dial(t, port);
  client.socket.write(get('/silent'));
  t.ok(await until(() => client.text().includes(': ok\n\n\r\ne\r\n: keep-alive\n\n')));
});

t.test('after the end nothing is written and nothing breaks', async (t) => {
  const { client, writer, reply, records, internalErrors } = await stream(t);
  writer.end();
  t.equal(writer.write('data: late\n\n'), true);
  writer.flush();
  writer.end('data: late\n\n');
  writer.fail('data: late\n\n');
  writer.open();
  reply.fail(new ChatError('internal_error', 'late'));
  await until(() => client.text().endsWith('0\r\n\r\n'));
  t.notMatch(client.text(), 'late');
  t.match(records, [{ outcome: 'ok' }]);
  t.same(internalErrors, []);
});

t.test('a failed stream is logged as such; a reply that fails mid-stream cuts the connection', async (t) => {
  const told = await stream(t);
  told.writer.fail('data: {"error":{}}\n\n');
  t.ok(await until(() => told.client.text().endsWith('0\r\n\r\n')));
  t.match(told.records, [{ status: 200, outcome: 'error' }]);

  const cut = await stream(t);
  cut.reply.fail(new ChatError('internal_error', 'x'));
  await cut.client.closed;
  t.notMatch(cut.client.text(), '\r\n0\r\n');
  t.match(cut.records, [{ status: 200, outcome: 'error' }]);
  t.equal(cut.server.inflight, 0);
});

t.test('silence is filled, talk is not', async (t) => {
  const { client, writer } = await stream(t, { keepAliveMs: 120 });
  for (let n = 0; n < 12; n += 1) {
    writer.write('data: x\n\n');
    await sleep(20);
  }
  t.notMatch(client.text(), 'keep-alive');
  t.ok(await until(() => (client.text().match(/: keep-alive\n\n/g)?.length ?? 0) >= 3));
  writer.end();
});

for (const size of [100, 8_000, 70_000]) {
  t.test(`a stopped reader of ${size} byte frames holds little and gets everything later`, async (t) => {
    const { client, writer, reply } = await stream(t);
    client.socket.pause();
    const frame = `data: ${'x'.repeat(size)}\n\n`;
    let drains = 0;
    writer.onDrain(() => (drains += 1));
    const before = process.memoryUsage().rss;
    let written = await fill(writer, frame);
    t.equal(writer.write(''), false);
    await sleep(50);
    t.equal(drains, 0);
    t.ok(writer.bytesOut > 1024 * 1024, 'the kernel took its share');
    t.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024);

    client.socket.resume();
    t.ok(await until(() => drains === 1), 'drained');
    t.equal(writer.write(frame), true);
    written += frame.length;
    writer.end();
    t.ok(await until(() => client.text().endsWith('0\r\n\r\n')));
    t.equal(body(client).replaceAll(/^:.*\n\n/gm, '').length, written);
    t.equal(reply.closed, true);
  });
}

t.test('what the kernel did not take follows without another word from the producer', async (t) => {
  const { client, writer } = await stream(t);
  client.socket.pause();
  const written = await fill(writer, `data: ${'x'.repeat(60_000)}\n\n`);
  client.socket.resume();
  t.ok(await until(() => body(client).replaceAll(/^:.*\n\n/gm, '').length === written));
  writer.end();
});

t.test('a stream that ends while its reader is slow still arrives whole', async (t) => {
  const { client, writer, server } = await stream(t);
  client.socket.pause();
  const written = await fill(writer, `data: ${'x'.repeat(60_000)}\n\n`);
  writer.end('data: [DONE]\n\n');
  t.equal(server.inflight, 0);
  client.socket.resume();
  t.ok(await until(() => client.text().endsWith('data: [DONE]\n\n\r\n0\r\n\r\n')));
  t.equal(body(client).replaceAll(/^:.*\n\n/gm, '').length, written + 'data: [DONE]\n\n'.length);
});

t.test('a reader that never comes back is cut', async (t) => {
  const { client, writer, reply, records, server } = await stream(t, { slowClientTimeoutMs: 200 });
  client.socket.pause();
  await fill(writer, `data: ${'x'.repeat(8_000)}\n\n`);
  t.ok(await until(() => reply.closed));
  t.ok(reply.signal.aborted);
  t.match(records, [{ status: 200, outcome: 'slow_client' }]);
  t.equal(server.inflight, 0);
});

t.test('a patient limit outlasts the native one', async (t) => {
  const { client, writer, reply } = await stream(t, { slowClientTimeoutMs: 60_000 });
  client.socket.pause();
  await fill(writer, `data: ${'x'.repeat(8_000)}\n\n`);
  await sleep(14_000);
  t.equal(reply.closed, false);
  client.socket.resume();
  writer.end('data: [DONE]\n\n');
  t.ok(await until(() => client.text().endsWith('data: [DONE]\n\n\r\n0\r\n\r\n')));
});

t.test('a paused reader that leaves is noticed', async (t) => {
  const { client, writer, reply, records } = await stream(t);
  client.socket.pause();
  await fill(writer, `data: ${'x'.repeat(8_000)}\n\n`);
  client.socket.destroy();
  t.ok(await until(() => reply.closed));
  t.match(records, [{ outcome: 'client_gone' }]);
});

t.test('what waits for a stopped reader is bounded, measured over many', async (t) => {
  const writers: SseWriter[] = [];
  const { port } = await serve(t, {
    routes: [
      {
        method: 'GET',
        path: '/s',
        handler: (_request, reply) => {
          const writer = new SseWriter(reply);
          writer.open();
          writers.push(writer);
        },
      },
    ],
  });
  const count = 40;
  const clients = await Promise.all(Array.from({ length: count }, () => dial(t, port)));
  for (const client of clients) {
    client.socket.pause();
    client.socket.write(get('/s'));
  }
  await until(() => writers.length === count);
  const frame = `data: ${'x'.repeat(4_000)}\n\n`;
  await sleep(100);
  const before = process.memoryUsage.rss();
  for (const writer of writers) await fill(writer, frame);
  const perStream = (process.memoryUsage.rss() - before) / count;
  t.ok(perStream < 256 * 1024, `${Math.round(perStream / 1024)} KiB each`);
});
