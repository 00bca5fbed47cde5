import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { readDirectly } from '../../src/outbound/read-directly.ts';

const PART = 64 * 1024;
const PARTS = 64;

async function pair(t: Test): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near: readDirectly(near), far };
}

function readAll(socket: Socket): Buffer[] {
  const chunks: Buffer[] = [];
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk as Buffer);
  return chunks;
}

t.test('what arrives is read in order, to the end', async (t) => {
  const { near, far } = await pair(t);
  const seen: Buffer[] = [];
  near.on('readable', () => seen.push(...readAll(near)));
  const sent = Array.from({ length: PARTS }, (_, at) => Buffer.alloc(PART, at));
  for (const part of sent) far.write(part);
  far.end();
  await once(near, 'end');
  t.ok(Buffer.concat(seen).equals(Buffer.concat(sent)));
});

t.test('a listener that leaves what came holds the sender back, and finds it later', async (t) => {
  const { near, far } = await pair(t);
  const seen: Buffer[] = [];
  let isPaused = true;
  near.on('readable', () => {
    if (!isPaused) seen.push(...readAll(near));
  });
  const sent = Array.from({ length: PARTS }, (_, at) => Buffer.alloc(PART, at));
  let isWritten = false;
  far.write(Buffer.concat(sent), () => (isWritten = true));
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.ok(near.readableLength > 0, 'something waits in the queue');
  t.ok(near.readableLength <= 4 * PART, `the queue is bounded: ${near.readableLength}`);
  isPaused = false;
  seen.push(...readAll(near));
  far.end();
  await once(near, 'end');
  t.ok(isWritten);
  t.ok(Buffer.concat(seen).equals(Buffer.concat(sent)));
});

t.test('what a listener puts back comes first, once', async (t) => {
  const { near, far } = await pair(t);
  let seen = '';
  let hasPutBack = false;
  near.on('readable', () => {
    const text = Buffer.concat(readAll(near)).toString();
    if (hasPutBack || text === '') {
      seen += text;
      return;
    }
    hasPutBack = true;
    seen += text.slice(0, 2);
    near.unshift(Buffer.from(text.slice(2)));
  });
  far.write('abcdef');
  await new Promise((resolve) => setTimeout(resolve, 50));
  far.end('ghi');
  await once(near, 'end');
  t.equal(seen, 'abcdefghi');
});
