import { once } from 'node:events';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Answer } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';
import type { Exits } from '../../src/outbound/exits.ts';
import { createOpenSocket } from '../../src/upstream/open-socket.ts';
import { createAuthority } from '../helpers/certificates.ts';
import type { Authority } from '../helpers/certificates.ts';
import { failure, listen, until } from '../helpers/loopback.ts';
import { passwordOf, startProxy, USER, whyNot } from '../helpers/real-proxies.ts';
import type { ProxyProgram, ProxyWishes } from '../helpers/real-proxies.ts';

interface Case {
  readonly program: ProxyProgram;
  readonly schemes: readonly ('http' | 'https' | 'socks5' | 'socks5h')[];
  readonly login: boolean;
}

const CASES: readonly Case[] = [
  { program: 'tinyproxy', schemes: ['http'], login: false },
  { program: 'tinyproxy', schemes: ['http'], login: true },
  { program: 'squid', schemes: ['http'], login: true },
  { program: 'squid', schemes: ['https'], login: true },
  { program: 'danted', schemes: ['socks5', 'socks5h'], login: false },
  { program: 'microsocks', schemes: ['socks5', 'socks5h'], login: false },
  { program: 'microsocks', schemes: ['socks5', 'socks5h'], login: true },
];

const never = new AbortController().signal;

interface Backend {
  readonly port: number;
  /** TLS handshakes so far, and how many of them took up an earlier session. */
  readonly handshakes: { all: number; resumed: number };
}

/** An https: server that also speaks web sockets. */
async function startBackend(t: Test, authority: Authority, names: string, days = 1): Promise<Backend> {
  const handshakes = { all: 0, resumed: 0 };
  const server = createServer({ ...authority.issue(names, days) }, (request, response) => {
    // Hung up on now and then, so that there are several handshakes.
    if (request.url === '/last') response.setHeader('connection', 'close');
    response.end('hello');
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    handshakes.all += 1;
    if (socket.isSessionReused()) handshakes.resumed += 1;
  });
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (message: Buffer) => socket.send(`you said ${message.toString()}`));
  });
  return { port: await listen(t, server), handshakes };
}

function open(t: Test, proxy: string, authority: Authority): Exits {
  const exits = createExits({ proxies: [proxy], connectTimeoutMs: 10_000, ca: authority.ca });
  t.teardown(() => exits.destroy());
  return exits;
}

function get(exits: Exits, origin: string, path = '/'): Promise<Answer> {
  const request = { exit: exits.pick(), origin, method: 'GET', path, headers: {}, body: null } as const;
  return createExchange(exits)({ ...request, timeoutMs: 20_000, step: 'a test' }, never);
}

async function say(exits: Exits, url: string, text: string): Promise<string> {
  const socket = await createOpenSocket(exits)({ url, exit: exits.pick(), headers: {} }, never);
  const heard = once(socket, 'message');
  socket.resume();
  socket.send(text);
  const [message] = (await heard) as [Buffer];
  socket.terminate();
  return message.toString();
}

for (const { program, schemes, login } of CASES) {
  for (const scheme of schemes) {
    const name = `${scheme}:// with ${program}${login ? ' and a login' : ''}`;
    const why = whyNot(program) ?? whyNot('openssl');
    t.test(name, { skip: why ?? false }, async (t) => {
      const authority = createAuthority(t);
      const wishes: ProxyWishes = {
        login,
        ...(scheme === 'https' ? { tls: authority.issue('DNS:localhost') } : {}),
      };
      const port = await startProxy(t, program, wishes);
      const backend = await startBackend(t, authority, 'DNS:localhost');
      const origin = `https://localhost:${backend.port}`;
      const credentials = login ? `${USER}:${encodeURIComponent(passwordOf(program))}@` : '';
      const exits = open(t, `${scheme}://${credentials}localhost:${port}`, authority);

      for (const path of ['/', '/', '/last', '/', '/last', '/']) {
        t.match(await get(exits, origin, path), { status: 200, text: 'hello' });
      }
      t.same(backend.handshakes, { all: 3, resumed: 2 }, 'later handshakes are short');
      t.match(exits.stats(), [
        { exit: 'outbound proxy 1', handshakes: 3, requests: 6, reused: 3, resent: 0 },
      ]);
      t.equal(await say(exits, `wss://localhost:${backend.port}`, 'hi'), 'you said hi');

      const stranger = await startBackend(t, authority, 'DNS:other.test');
      const late = await startBackend(t, authority, 'DNS:localhost', -1);
      for (const [{ port: at }, code] of [
        [stranger, 'ERR_TLS_CERT_ALTNAME_INVALID'],
        [late, 'CERT_HAS_EXPIRED'],
      ] as const) {
        const error = await failure(get(exits, `https://localhost:${at}`));
        const message = new RegExp(`certificate of the backend is not valid \\(${code}\\)`);
        t.match(error, { code: 'upstream_unreachable', message });
      }

      const nobody = await failure(get(exits, 'https://localhost:1'));
      t.match(nobody, { code: 'upstream_unreachable', message: /outbound proxy 1/ });
      t.notMatch(nobody.message, 'canary');
      if (login) {
        const wrong = open(t, `${scheme}://${USER}:wrong-canary@localhost:${port}`, authority);
        const refused = await failure(get(wrong, origin));
        t.match(refused, {
          code: 'upstream_unreachable',
          message: /outbound proxy 1: it (answered|refused)/,
        });
        t.notMatch(refused.message, 'canary');
        t.ok(await until(() => wrong.stats()[0]?.open === 0));
      }
      await exits.destroy();
      t.equal(exits.stats()[0]?.open, 0, 'nothing is left open');
    });
  }
}
