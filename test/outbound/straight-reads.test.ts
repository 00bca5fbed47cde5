import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { readStraight } from '../../src/outbound/straight-reads.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { listen } from '../helpers/loopback.ts';

const authority = createAuthority(t);
const identity = authority.issue('IP:127.0.0.1');

interface Pair {
  /** Reads straight. */
  readonly near: Socket;
  readonly far: Socket;
}

async function pair(t: Test): Promise<Pair> {
  const server = createServer();
  const arrival = once(server, 'connection') as Promise<[Socket]>;
  const near = connect(await listen(t, server), '127.0.0.1');
  return ready(t, near, (await arrival)[0]);
}

async function tlsPair(t: Test): Promise<Pair> {
  const server = createTlsServer(identity);
  const arrival = once(server, 'secureConnection') as Promise<[Socket]>;
  const near = connectTls({ port: await listen(t, server), host: '127.0.0.1', ca: [...authority.ca] });
  return ready(t, near, (await arrival)[0]);
}

function ready(t: Test, near: Socket, far: Socket): Pair {
  for (const socket of [near, far]) socket.on('error', () => {});
  t.teardown(() => {
    near.destroy();
    far.destroy();
  });
  readStraight(near);
  return { near, far };
}

/** What a reader does with what it is told of: reads on, reads and puts half of it back, or leaves it for later. */
type Deed = 'read' | 'put back' | 'leave';

interface Heard {
  readonly text: string;
  /** How much lay in the stream's queue, each time that there was something to read. */
  readonly queued: readonly number[];
}

/** Until the end. `deeds` come one by one and over again. */
function hear(socket: Socket, deeds: readonly Deed[]): Promise<Heard> {
  return new Promise((resolve) => {
    let text = '';
    let count = 0;
    const queued: number[] = [];
    const take = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read()) {
        text += chunk.toString('latin1');
      }
    };
    const onReadable = (): void => {
      queued.push(socket.readableLength);
      const deed = deeds[count % deeds.length];
      count += 1;
      if (deed === 'read') return take();
      const chunk = deed === 'put back' ? (socket.read() as Buffer | null) : null;
      if (chunk !== null) {
        const half = (chunk.length + 1) >> 1;
        text += chunk.subarray(0, half).toString('latin1');
        if (half < chunk.length) socket.unshift(chunk.subarray(half));
      }
      setImmediate(take);
    };
    socket.on('readable', onReadable).once('end', () => resolve({ text, queued }));
  });
}

t.test('what is read comes to the reader at once, past the queue', async (t) => {
  for (const { near, far } of [await pair(t), await tlsPair(t)]) {
    const hearing = hear(near, ['read']);
    for (const word of ['one ', 'two ', 'three']) {
      far.write(word);
      await turn();
      await turn();
    }
    far.end();
    const { text, queued } = await hearing;
    t.equal(text, 'one two three');
    t.ok(queued.length > 0 && queued.every((bytes) => bytes === 0));
  }
});

t.test('whatever a reader leaves or puts back, it gets all in order and then the end', async (t) => {
  const deed = fc.constantFrom<Deed>('read', 'put back', 'leave');
  const property = fc.asyncProperty(
    fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 12 }),
    fc.array(deed, { minLength: 1, maxLength: 6 }),
    fc.boolean(),
    async (sizes, deeds, isTls) => {
      const { near, far } = isTls ? await tlsPair(t) : await pair(t);
      const hearing = hear(near, deeds);
      let sent = '';
      for (const [index, size] of sizes.entries()) {
        const piece = `${index}:`.repeat(size).slice(0, size);
        sent += piece;
        far.write(piece);
        if (index % 3 !== 2) await turn();
      }
      far.end();
      const { text } = await hearing;
      near.destroy();
      far.destroy();
      return text === sent;
    },
  );
  await t.resolves(fc.assert(property, { numRuns: 60 }));
});

t.test('a reader that leaves all stops the sender, and goes on where it was', async (t) => {
  const { near, far } = await pair(t);
  let told = 0;
  near.on('readable', () => (told += 1));
  const block = Buffer.alloc(1024 * 1024, 'x');
  for (let count = 0; count < 64 && far.write(block); count += 1) await turn();
  let sent = 0;
  while (sent !== far.bytesWritten - far.writableLength) {
    sent = far.bytesWritten - far.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.ok(told > 0);
  t.ok(near.readableLength <= 256 * 1024, `${near.readableLength} bytes wait`);
  near.removeAllListeners('readable');
  const hearing = hear(near, ['read']);
  far.end();
  near.emit('readable');
  const { text } = await hearing;
  t.equal(text.length, far.bytesWritten);
});

t.test('nothing comes of a connection that its reader has given up', async (t) => {
  const { near, far } = await pair(t);
  let told = 0;
  near.on('readable', () => {
    told += 1;
    near.destroy();
  });
  far.write('one');
  await once(near, 'close');
  t.equal(told, 1);
  t.equal(near.read(), null);
});
