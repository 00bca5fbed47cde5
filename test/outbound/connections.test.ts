import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Answer } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import type { Exits, ExitsOptions } from '../../src/outbound/exits.ts';
import type { ExitStats } from '../../src/outbound/lane.ts';
import type { OutboundRequest } from '../../src/outbound/send.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { failure, listen, until } from '../helpers/loopback.ts';
import { whyNot } from '../helpers/real-proxies.ts';

const never = new AbortController().signal;

interface Asked {
  readonly socket: Socket;
  readonly id: string;
  /** Counts the requests of a connection from 1. */
  readonly nth: number;
}

interface Backend {
  readonly port: number;
  readonly origin: string;
  /** The ids of all requests that were read. */
  readonly read: string[];
}

/** A server of which every byte is `serve`'s. */
async function startBackend(
  t: Test,
  serve: (asked: Asked) => unknown,
  make: (onSocket: (socket: Socket) => void) => Server = createServer,
): Promise<Backend> {
  const read: string[] = [];
  const server = make((socket) => {
    let nth = 0;
    let seen = '';
    socket
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        seen += chunk.toString('latin1');
        for (let end = endOfRequest(seen); end !== null; end = endOfRequest(seen)) {
          const id = / \/(\S*) /.exec(seen)?.[1] ?? '';
          seen = seen.slice(end);
          nth += 1;
          read.push(id);
          serve({ socket, id, nth });
        }
      });
  });
  const port = await listen(t, server);
  return { port, origin: `http://127.0.0.1:${port}`, read };
}

/** Null: the first request is not complete yet. */
function endOfRequest(text: string): number | null {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return null;
  const end = head + 4 + Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
  return text.length >= end ? end : null;
}

const answerTo = (id: string, ...headers: string[]): string =>
  `${['HTTP/1.1 200 OK', `content-length: ${id.length}`, ...headers].join('\r\n')}\r\n\r\n${id}`;
const answer = ({ socket, id }: Asked): unknown => socket.write(answerTo(id));

function openExits(t: Test, options: Partial<ExitsOptions> = {}): Exits {
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000, ...options });
  t.teardown(() => exits.destroy());
  return exits;
}

const statsOf = (exits: Exits): ExitStats => exits.stats()[0] as ExitStats;

function ask(
  exits: Exits,
  origin: string,
  id: string,
  body: OutboundRequest['body'] = '{}',
  repeatable = typeof body === 'string',
): Promise<Answer> {
  const headers: Record<string, string> = typeof body === 'string' ? {} : { 'content-length': '4' };
  const request = {
    exit: DIRECT,
    origin,
    method: 'POST',
    path: `/${id}`,
    headers,
    body,
    repeatable,
  } as const;
  return createExchange(exits)({ ...request, timeoutMs: 20_000, step: 'a test' }, never);
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('file');
}

const HANG_UPS: Readonly<Record<string, (asked: Asked) => unknown>> = {
  'with its answer': ({ socket, id }) => socket.end(answerTo(id)),
  'at once after it': ({ socket, id }) => {
    socket.write(answerTo(id));
    setImmediate(() => socket.end());
  },
  'up to 5 ms later': ({ socket, id }) => {
    socket.write(answerTo(id));
    setTimeout(() => socket.destroy(), Number(id) % 6);
  },
  'up to 5 ms later, with a reset': ({ socket, id }) => {
    socket.write(answerTo(id));
    setTimeout(() => socket.resetAndDestroy(), Number(id) % 6);
  },
};

for (const [when, hangUp] of Object.entries(HANG_UPS)) {
  t.test(`a server that hangs up without a word, ${when}`, async (t) => {
    const answered: string[] = [];
    const backend = await startBackend(t, (asked) => {
      // It has said goodbye, and what it still hears means nothing to it.
      if (asked.nth > 1) return;
      answered.push(asked.id);
      hangUp(asked);
    });
    const exits = openExits(t);
    const all = Array.from({ length: 200 }, (_, index) => String(index));
    const oneByOne = async (ids: readonly string[]): Promise<void> => {
      for (const id of ids) t.match(await ask(exits, backend.origin, id), { status: 200, text: id });
    };
    await Promise.all(Array.from({ length: 20 }, (_, at) => oneByOne(all.slice(at * 10, at * 10 + 10))));
    t.same(answered.toSorted(), all.toSorted(), 'each is answered once');
  });
}

/** Reads the first request of a connection; the next one is still unread when it hangs up. */
const readsOnce = (asked: Asked): void => {
  const { socket, nth } = asked;
  answer(asked);
  if (nth > 1) return;
  socket.pause();
  setTimeout(() => socket.destroy(), 150);
};

t.test('200 requests that cross the hanging up are all answered, and read once', async (t) => {
  const backend = await startBackend(t, readsOnce);
  const exits = openExits(t);
  const wave = (name: string): Promise<Answer[]> =>
    Promise.all(Array.from({ length: 200 }, (_, at) => ask(exits, backend.origin, `${name}${at}`)));
  await wave('a');
  const answers = await wave('b');
  t.same(
    answers.map(({ text }) => text),
    Array.from({ length: 200 }, (_, at) => `b${at}`),
  );
  t.equal(new Set(backend.read).size, backend.read.length, 'none is read twice');
  t.equal(backend.read.length, 400);
  const { resent, handshakes, requests } = statsOf(exits);
  t.ok(resent > 0, `${resent} were sent once more`);
  // Those whose connection was known to be closed before they were written went on a new one at once.
  t.ok(handshakes >= 200 + resent && handshakes <= 400);
  t.equal(requests, 400);
});

const noOpenssl = whyNot('openssl') ?? false;

t.test('the same under TLS, whose goodbye is no answer', { skip: noOpenssl }, async (t) => {
  const authority = createAuthority(t);
  const make = (onSocket: (socket: Socket) => void): Server =>
    createTlsServer({ ...authority.issue('IP:127.0.0.1') }, onSocket);
  // Ends politely, and reads nothing more.
  const serve = (asked: Asked): void => {
    answer(asked);
    if (asked.nth > 1) return;
    asked.socket.pause();
    setTimeout(() => asked.socket.end(), 100);
  };
  const { port, read } = await startBackend(t, serve, make);
  const exits = openExits(t, { ca: authority.ca });
  const origin = `https://127.0.0.1:${port}`;
  t.equal((await ask(exits, origin, 'first')).text, 'first');
  t.equal((await ask(exits, origin, 'second')).text, 'second');
  t.match(statsOf(exits), { resent: 1, handshakes: 2, reused: 1 });
  t.same(read, ['first', 'second']);
});

t.test('what must not be asked twice is not sent once more', async (t) => {
  const backend = await startBackend(t, readsOnce);
  const exits = openExits(t);
  await ask(exits, backend.origin, 'first');
  const lost = await failure(ask(exits, backend.origin, 'second', '{}', false));
  t.match(lost, { code: 'upstream_unreachable', retryable: true });
  t.equal(statsOf(exits).resent, 0);
});

t.test('what is not at hand any more is not sent once more', async (t) => {
  const backend = await startBackend(t, readsOnce);
  const exits = openExits(t);
  await ask(exits, backend.origin, 'first');
  const lost = await failure(ask(exits, backend.origin, 'second', pieces()));
  t.match(lost, { code: 'upstream_unreachable', retryable: true });
  t.equal(statsOf(exits).resent, 0);
});

/** Each breaks in a way that shows that the request was read, or may well have been. */
const BREAKS: Readonly<Record<string, (asked: Asked) => unknown>> = {
  'after a byte': ({ socket }) => socket.write('H', () => setTimeout(() => socket.destroy(), 20)),
  'after a first head': ({ socket }) =>
    socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', () => setTimeout(() => socket.destroy(), 20)),
  'after a head': ({ socket }) =>
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', () =>
      setTimeout(() => socket.destroy(), 20),
    ),
  'long after it was asked': ({ socket }) => setTimeout(() => socket.destroy(), 2_500),
};

t.test('what was read is not asked again', async (t) => {
  const backend = await startBackend(t, (asked) => (BREAKS[asked.id.replaceAll('-', ' ')] ?? answer)(asked));
  await Promise.all(
    Object.keys(BREAKS).map(async (name) => {
      const exits = openExits(t);
      await ask(exits, backend.origin, 'fine');
      const id = name.replaceAll(' ', '-');
      t.match(await failure(ask(exits, backend.origin, id)), { code: /^upstream_/ }, name);
      t.equal(backend.read.filter((read) => read === id).length, 1, name);
      t.match(statsOf(exits), { resent: 0, reused: 1 }, name);
    }),
  );
});

t.test('a server that hangs up on whatever it is asked is not asked everything twice', async (t) => {
  const backend = await startBackend(t, (asked) =>
    asked.id === 'fine' ? answer(asked) : asked.socket.destroy(),
  );
  const exits = openExits(t);
  t.match(await failure(ask(exits, backend.origin, 'new')), { code: 'upstream_unreachable' });
  t.same(backend.read, ['new'], 'a new connection is not closed for being idle');
  for (let count = 0; count < 30; count += 1) {
    await ask(exits, backend.origin, 'fine');
    await failure(ask(exits, backend.origin, 'fatal'));
  }
  t.equal(backend.read.filter((id) => id === 'fatal').length, 30 + 10);
});

t.test('what a server says unasked on a free connection is nobody’s answer', async (t) => {
  const unasked = ['HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n', 'SSH-2.0\r\n'];
  for (const text of unasked) {
    const backend = await startBackend(t, (asked) => {
      const isLate = asked.id.startsWith('late');
      asked.socket.write(answerTo(asked.id) + (isLate ? '' : text));
      if (isLate) setTimeout(() => asked.socket.end(text), 5);
    });
    const exits = openExits(t);
    for (let nth = 0; nth < 5; nth += 1) {
      t.equal((await ask(exits, backend.origin, `early${nth}`)).text, `early${nth}`);
      t.equal((await ask(exits, backend.origin, `late${nth}`)).text, `late${nth}`);
      t.ok(await until(() => statsOf(exits).open === 0));
    }
    t.equal(new Set(backend.read).size, backend.read.length, 'none is read twice');
  }
});

t.test('a server may say how long it waits', async (t) => {
  const headers: Readonly<Record<string, string>> = {
    close: 'connection: close',
    short: 'keep-alive: timeout=1',
    some: 'keep-alive: timeout=2',
  };
  const backend = await startBackend(t, ({ socket, id }) =>
    socket.write(answerTo(id, headers[id] ?? 'x: y')),
  );
  for (const id of ['close', 'short']) {
    const exits = openExits(t);
    await ask(exits, backend.origin, id);
    await ask(exits, backend.origin, id);
    t.match(statsOf(exits), { handshakes: 2, reused: 0, resent: 0 }, id);
    t.ok(await until(() => statsOf(exits).open === 0), `${id}: none is left`);
  }
  const exits = openExits(t);
  await ask(exits, backend.origin, 'some');
  await ask(exits, backend.origin, 'some');
  t.match(statsOf(exits), { handshakes: 1, reused: 1, open: 1 });
  t.ok(await until(() => statsOf(exits).open === 0), 'we hang up first');
});

t.test('calls one right after the other share a connection', async (t) => {
  const backend = await startBackend(t, answer);
  const exits = openExits(t);
  for (let id = 0; id < 10; id += 1) await ask(exits, backend.origin, String(id));
  await ask(exits, backend.origin, 'file', pieces());
  await ask(exits, backend.origin, 'after');
  const expected = { exit: DIRECT, handshakes: 1, open: 1, requests: 12, reused: 11, resent: 0 };
  t.same(statsOf(exits), expected);
});

t.test('a name with several addresses is tried at each', async (t) => {
  const backend = await startBackend(t, answer);
  t.equal((await ask(openExits(t), `http://localhost:${backend.port}`, 'here')).text, 'here');
});

t.test('what nobody uses is closed, what somebody uses is not', async (t) => {
  const held: Asked[] = [];
  const backend = await startBackend(t, (asked) => (asked.id === 'held' ? held.push(asked) : answer(asked)));
  const exits = openExits(t, { routeIdleMs: 60 });
  await ask(exits, backend.origin, 'free');
  const slow = ask(exits, backend.origin, 'held');
  await until(() => held.length === 1);
  await ask(exits, `http://localhost:${backend.port}`, 'other');
  t.equal(statsOf(exits).open, 2);
  t.ok(await until(() => statsOf(exits).open === 1), 'the unused one is closed');
  await sleep(300);
  t.equal(exits.inFlight, 1);
  for (const asked of held) answer(asked);
  t.equal((await slow).text, 'held', 'an answer may take longer than that');
  t.ok(await until(() => statsOf(exits).open === 0), 'and its connection is closed after it');
  t.match(await ask(exits, backend.origin, 'again'), { text: 'again' });
});

t.test('of many origins those in use stay', async (t) => {
  const held: Asked[] = [];
  const backend = await startBackend(t, (asked) => (asked.id === 'held' ? held.push(asked) : answer(asked)));
  const exits = openExits(t);
  const slow = ask(exits, backend.origin, 'held');
  await until(() => held.length === 1);
  for (let at = 0; at < 300; at += 1) await ask(exits, `${backend.origin}/gateway-${at}`, 'x');
  t.ok(await until(() => statsOf(exits).open <= 257), 'connections are bounded');
  t.ok(await until(() => exits.inFlight === 1));
  for (const asked of held) answer(asked);
  t.equal((await slow).text, 'held');
});

t.test('closing waits for what is under way, and takes nothing new', async (t) => {
  const held: Asked[] = [];
  const backend = await startBackend(t, (asked) => held.push(asked));
  const exits = openExits(t);
  const slow = ask(exits, backend.origin, 'slow');
  await until(() => held.length === 1);
  let isClosed = false;
  const closing = exits.close().then(() => (isClosed = true));
  t.match(await failure(ask(exits, backend.origin, 'late')), { code: 'shutting_down' });
  await sleep(30);
  t.notOk(isClosed);
  for (const asked of held) answer(asked);
  t.equal((await slow).text, 'slow');
  await closing;
  t.ok(await until(() => statsOf(exits).open === 0));
});
