import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Answer } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';
import type { Exits } from '../../src/outbound/exits.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { failure, listen, until } from '../helpers/loopback.ts';
import { whyNot } from '../helpers/real-proxies.ts';

const never = new AbortController().signal;
const LOGIN = 'canary-user:canary-password@';
/** For what must not be in time, and for what must. */
const SHORT_MS = 400;
const LONG_MS = 15_000;

/** What the proxy does with a connection; `hear` gives the next bytes that its caller says. */
type Play = (socket: Socket, hear: () => Promise<Buffer>) => unknown;

interface Bad {
  readonly play: Play;
  readonly message: RegExp;
  /** Default: unreachable. */
  readonly code?: string;
}

/** The proxy's port, and how many connections it holds. */
async function startProxy(t: Test, play: Play): Promise<{ port: number; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    const heard = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    const hear = async (): Promise<Buffer> => (await heard.next()).value ?? Buffer.alloc(0);
    const rest = async (): Promise<void> => {
      await play(socket, hear);
      // Reads on, so that it hears when the other side hangs up.
      while ((await hear()).length > 0);
      socket.destroy();
    };
    rest().catch(() => socket.destroy());
  });
  return { port: await listen(t, server), open };
}

function open(t: Test, proxy: string, connectTimeoutMs = LONG_MS): Exits {
  const exits = createExits({ proxies: [proxy], connectTimeoutMs });
  t.teardown(() => exits.destroy());
  return exits;
}

function get(exits: Exits, origin: string): Promise<Answer> {
  const request = { exit: exits.pick(), origin, method: 'GET', path: '/', headers: {}, body: null } as const;
  return createExchange(exits)({ ...request, timeoutMs: 20_000, step: 'a test' }, never);
}

async function drip(socket: Socket, bytes: Buffer | string, everyMs: number): Promise<void> {
  for (const byte of Buffer.from(bytes)) {
    if (socket.destroyed) return;
    socket.write(Buffer.from([byte]));
    await sleep(everyMs);
  }
}

/** What comes after the caller has said its first words. */
const once =
  (act: (socket: Socket) => unknown): Play =>
  async (socket, hear) => {
    await hear();
    await act(socket);
  };
const says = (bytes: Buffer | string): Play => once((socket) => socket.end(bytes));

const timeout = {
  code: 'upstream_timeout',
  message: /through outbound proxy 1 in the time.*CONNECT_TIMEOUT_MS/,
};
const brokeOff = /through outbound proxy 1: it (closed the connection|broke off)/;

const HTTP: Readonly<Record<string, Bad>> = {
  'says nothing': { play: () => {}, ...timeout },
  'hangs up at once': { play: (socket) => socket.destroy(), message: brokeOff },
  'hangs up when asked': { play: says(''), message: brokeOff },
  resets: { play: once((socket) => socket.resetAndDestroy()), message: brokeOff },
  'wants a password': { play: says('HTTP/1.1 407 Who?\r\n\r\n'), message: /it answered CONNECT with 407/ },
  'cannot get there': { play: says('HTTP/1.0 502 No\r\n\r\n<h1>'), message: /it answered CONNECT with 502/ },
  'leads elsewhere': { play: says('HTTP/1.1 302 \r\nlocation: x\r\n\r\n'), message: /CONNECT with 302/ },
  'speaks something else': { play: says('220 mail ESMTP\r\n\r\n'), message: /does not speak HTTP/ },
  'says something else and hangs up': { play: says('SSH-2.0-x\r\n'), message: brokeOff },
  'hangs up amid its answer': { play: says('HTTP/1.1 200 OK\r\nx: y'), message: brokeOff },
  'has a head without end': {
    play: once((socket) => socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}`)),
    message: /its answer has no end/,
  },
  'is slow byte by byte': {
    play: once((socket) => drip(socket, 'HTTP/1.1 200 OK\r\n\r\n', 100)),
    ...timeout,
  },
  'lets us in and hangs up': {
    play: says('HTTP/1.1 200 OK\r\n\r\n'),
    message: /The backend closed the connection before it answered/,
  },
};

const SOCKS_CODES = [
  'general failure',
  'not allowed by its rules',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'time to live expired',
  'command not supported',
  'address type not supported',
  'failure 9',
];

/** Takes the login, then answers the request with these bytes. */
const answers =
  (...bytes: number[]): Play =>
  async (socket, hear) => {
    await hear();
    socket.write(Buffer.from([5, 0]));
    await hear();
    socket.end(Buffer.from(bytes));
  };
const refusals = SOCKS_CODES.map((words, at): [string, Bad] => [
  `answers ${at + 1}`,
  { play: answers(5, at + 1, 0, 1, 0, 0, 0, 0, 0, 0), message: new RegExp(`it answered: ${words};`) },
]);

const SOCKS: Readonly<Record<string, Bad>> = {
  'says nothing': { play: () => {}, ...timeout },
  'hangs up at once': { play: (socket) => socket.destroy(), message: brokeOff },
  resets: { play: once((socket) => socket.resetAndDestroy()), message: brokeOff },
  'speaks HTTP': { play: says('HTTP/1.1 400 Bad Request\r\n\r\n'), message: /does not speak SOCKS 5/ },
  'speaks SOCKS 4': { play: says(Buffer.from([0, 91])), message: /does not speak SOCKS 5/ },
  'takes none of our logins': { play: says(Buffer.from([5, 255])), message: /another kind of login/ },
  'refuses the password': {
    play: async (socket, hear) => {
      await hear();
      socket.write(Buffer.from([5, 2]));
      await hear();
      socket.end(Buffer.from([1, 1]));
    },
    message: /it refused user and password/,
  },
  'hangs up after the login': {
    play: async (socket, hear) => {
      await hear();
      socket.write(Buffer.from([5, 0]));
      await hear();
      socket.destroy();
    },
    message: brokeOff,
  },
  'hangs up amid its answer': { play: answers(5, 0, 0, 1, 127), message: brokeOff },
  'answers in another version': {
    play: answers(4, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    message: /does not speak SOCKS 5/,
  },
  'is slow byte by byte': {
    play: async (socket, hear) => {
      await hear();
      await drip(socket, Buffer.from([5, 0]), 150);
      await drip(socket, Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), 150);
    },
    ...timeout,
  },
  'lets us in and hangs up': {
    play: answers(5, 0, 0, 3, 4, 110, 97, 109, 101, 0, 80),
    message: /The backend closed the connection before it answered/,
  },
  ...Object.fromEntries(refusals),
};

for (const [schemes, cases] of [
  [['http'], HTTP],
  [['socks5', 'socks5h'], SOCKS],
] as const) {
  for (const scheme of schemes) {
    t.test(`${scheme}:// proxies that fail`, async (t) => {
      await Promise.all(
        Object.entries(cases).map(async ([name, { play, message, code = 'upstream_unreachable' }]) => {
          const proxy = await startProxy(t, play);
          const isSlow = code === timeout.code;
          const exits = open(t, `${scheme}://${LOGIN}127.0.0.1:${proxy.port}`, isSlow ? SHORT_MS : LONG_MS);
          const startedAt = performance.now();
          const error = await failure(get(exits, 'http://192.0.2.1:81'));
          t.match(error, { code, message }, name);
          t.ok(performance.now() - startedAt < LONG_MS, `${name}: in good time`);
          t.notMatch(
            error.message,
            new RegExp(`canary|127\\.0\\.0\\.1|${proxy.port}`),
            `${name}: says no secrets`,
          );
          t.ok(await until(() => proxy.open.size === 0), `${name}: leaves no connection`);
          t.match(exits.stats(), [{ open: 0 }], name);
          t.ok(await until(() => exits.inFlight === 0), `${name}: is over`);
        }),
      );
    });
  }
}

t.test('a proxy may answer in any pieces', async (t) => {
  const http = await startProxy(t, async (socket, hear) => {
    await hear();
    await drip(socket, 'HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n', 1);
    await hear();
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
  });
  const socks = await startProxy(t, async (socket, hear) => {
    await hear();
    await drip(socket, Buffer.from([5, 0]), 5);
    await hear();
    await drip(socket, Buffer.from([5, 0, 0, 4, ...Buffer.alloc(18)]), 5);
    await hear();
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
  });
  for (const proxy of [`http://127.0.0.1:${http.port}`, `socks5://127.0.0.1:${socks.port}`]) {
    t.equal((await get(open(t, proxy), 'http://[2001:db8::1]')).text, 'hello', proxy);
  }
});

t.test('socks5:// looks names up here, socks5h:// does not', async (t) => {
  const proxy = await startProxy(t, answers(5, 4, 0, 1, 0, 0, 0, 0, 0, 0));
  const here = await failure(get(open(t, `socks5://127.0.0.1:${proxy.port}`), 'http://backend.invalid'));
  t.match(here, { code: /upstream_unreachable|upstream_timeout/ });
  const there = await failure(get(open(t, `socks5h://127.0.0.1:${proxy.port}`), 'http://backend.invalid'));
  t.match(there, { code: 'upstream_unreachable', message: /host unreachable/ });
});

t.test('an https:// proxy must show who it is', { skip: whyNot('openssl') ?? false }, async (t) => {
  const { createServer: createTlsServer } = await import('node:tls');
  const authority = createAuthority(t);
  const start = async (names: string, days?: number): Promise<number> =>
    listen(
      t,
      createTlsServer({ ...authority.issue(names, days) }, (socket) => socket.on('error', () => {}).resume()),
    );
  const plain = await startProxy(t, says('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const cases = [
    [await start('DNS:other.test'), authority.ca, /certificate of outbound proxy 1.*ALTNAME_INVALID/],
    [await start('DNS:localhost', -1), authority.ca, /certificate of outbound proxy 1.*CERT_HAS_EXPIRED/],
    [await start('DNS:localhost'), [], /certificate of outbound proxy 1 is not valid/],
    [plain.port, authority.ca, /Cannot connect to outbound proxy 1 \(ERR_SSL|EPROTO/],
  ] as const;
  for (const [port, ca, message] of cases) {
    const trust = ca.length === 0 ? {} : { ca };
    const proxies = [`https://${LOGIN}localhost:${port}`];
    const exits = createExits({ proxies, connectTimeoutMs: LONG_MS, ...trust });
    t.teardown(() => exits.destroy());
    const error = await failure(get(exits, 'http://192.0.2.1'));
    t.match(error, { code: 'upstream_unreachable', message });
    t.notMatch(error.message, /canary|localhost/);
    t.match(exits.stats(), [{ open: 0 }]);
  }
});
