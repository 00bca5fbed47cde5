import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Session, StreamControl } from '../../src/chat/ports.ts';
import type { Turn } from '../../src/conversation/turn.ts';
import type { ChatError } from '../../src/errors.ts';
import { createExits } from '../../src/outbound/exits.ts';
import { createUpstreamClient } from '../../src/upstream/client.ts';

const TOKEN = 'canary-access-token';
const URL_TOKEN = 'canary-socket-token';
const SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1';
const IDS = { conversation_id: 'c-1', response_id: 'r-1' };
const DONE = 'data: [DONE]\n\n';
const turn: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};
const clearance = { requirementsToken: null, proofToken: null, arkoseToken: null };

type OnSocket = (socket: WebSocket, request: IncomingMessage, count: number) => unknown;

type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

interface World {
  readonly origin: string;
  readonly server: Server;
  /** Every request's path, and the upgrades'. */
  readonly paths: string[];
  readonly upgrades: IncomingMessage[];
  readonly posts: IncomingMessage[];
  refusesToRegister: boolean;
  /** What the conversation call answers; null: a hand-over with `IDS`. */
  answer: ((count: number) => { contentType: string; body: string }) | null;
}

interface WorldOptions {
  readonly onSocket: OnSocket;
  /** Take the upgrade and say nothing. */
  readonly silent?: boolean;
  readonly answerDelayMs?: number;
}

/** The backend's side: the conversation call, the registration and the socket on one port. */
async function createWorld(t: Test, options: WorldOptions): Promise<World> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const serve: Serve = async (request, response) => {
    world.paths.push(request.url ?? '');
    for await (const _ of request);
    const url = `${world.origin.replace('http', 'ws')}/client/hubs/conversations?access_token=${URL_TOKEN}`;
    const json = { 'content-type': 'application/json' };
    if (request.url?.endsWith('/register-websocket') === true) {
      const status = world.refusesToRegister ? 500 : 200;
      return response.writeHead(status, json).end(JSON.stringify({ wss_url: url, expires_at: 1 }));
    }
    world.posts.push(request);
    const answer = world.answer?.(world.posts.length);
    await sleep(options.answerDelayMs ?? 0);
    if (answer !== undefined)
      return response.writeHead(200, { 'content-type': answer.contentType }).end(answer.body);
    return response.writeHead(200, json).end(JSON.stringify({ wss_url: url, ...IDS }));
  };
  const server = createServer((request, response) => void serve(request, response));
  let count = 0;
  server.on('upgrade', (request, socket, head) => {
    world.paths.push(request.url ?? '');
    world.upgrades.push(request);
    count += 1;
    if (options.silent === true) return void socket.resume().on('end', () => socket.destroy());
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => {});
      options.onSocket(client, request, count);
    });
  });
  const origin = await listen(t, server);
  const world: World = {
    origin,
    server,
    paths: [],
    upgrades: [],
    posts: [],
    answer: null,
    refusesToRegister: false,
  };
  return world;
}

async function listen(t: Test, server: Server): Promise<string> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Frame {
  readonly id?: number | null;
  readonly last?: boolean;
  readonly ids?: object;
}

const frame = (text: string, { id = null, last = false, ids = IDS }: Frame = {}): string =>
  JSON.stringify({
    ...(id === null ? {} : { sequenceId: id }),
    type: 'message',
    from: 'group',
    dataType: 'json',
    data: {
      type: 'http.response.body',
      body: Buffer.from(text).toString('base64'),
      more_body: !last,
      ...ids,
    },
  });
const connected = (connectionId = 'k-1'): string =>
  JSON.stringify({ type: 'system', event: 'connected', connectionId, reconnectionToken: 'again' });

interface Heard {
  readonly control: StreamControl;
  readonly calls: string[];
  text: string;
  bytes: number;
  error: ChatError | null;
  readonly opened: Promise<void>;
  readonly over: Promise<void>;
}

type Call = (session?: Partial<Session>) => Heard;

/** Several calls of one client. */
function createCaller(t: Test, origin: string, proxies: string[] = [], socketIdleMs = 60_000): Call {
  const exits = createExits({ proxies, connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const client = createUpstreamClient({
    exits,
    profile: { userAgent: 'A browser', authKey: null },
    newId: randomUUID,
    socketIdleMs,
  });
  return (session = {}) => {
    let onOpened = (): void => {};
    let onOver = (): void => {};
    const opened = new Promise<void>((resolve) => (onOpened = resolve));
    const over = new Promise<void>((resolve) => (onOver = resolve));
    const state = { calls: [] as string[], text: '', bytes: 0, error: null as ChatError | null };
    const identity = { token: TOKEN, accountId: null };
    const control = client.converse(
      { origin, identity, account: null, deviceId: 'd', exit: exits.pick(), ...session },
      { turn, uploads: new Map(), continued: null },
      clearance,
      {
        onOpen() {
          state.calls.push('open');
          onOpened();
        },
        onBytes(chunk) {
          state.bytes += chunk.length;
          if (state.bytes < 100_000) state.text += Buffer.from(chunk).toString('utf8');
        },
        onEnd() {
          state.calls.push('end');
          onOver();
        },
        onFailure(error) {
          state.calls.push('failure');
          state.error = error;
          onOver();
        },
      },
    );
    return Object.assign(state, { control, opened, over });
  };
}

t.test('the answer over a socket is the answer as a stream, byte for byte', async (t) => {
  const parts = ['data: {"a":"hé"}\n\n', 'data: 1\n\ndata: 2\n\n', 'data: "data: [DONE]"\n\n', DONE];
  const world = await createWorld(t, {
    onSocket(socket) {
      socket.send(connected());
      socket.send('no json');
      socket.send('[1]');
      socket.send(Buffer.from(frame('binary')), { binary: true });
      socket.send(JSON.stringify({ type: 'pong' }));
      socket.send(frame('other', { ids: { conversation_id: 'c-2', response_id: 'r-2' }, id: 1 }));
      socket.send(frame('other', { ids: { conversation_id: 'c-1', response_id: 'r-2' }, id: 2 }));
      socket.send(frame('nobody', { ids: {}, id: 3 }));
      socket.send(frame(parts[0] ?? '', { id: 4, ids: { conversation_id: 'c-1' } }));
      socket.send(frame(parts[1] ?? '', { ids: { response_id: 'r-1' } }));
      socket.send(frame(parts[1] ?? '', { id: 4 }));
      socket.send(frame(parts[2] ?? '', { id: 5 }));
      socket.send(frame(parts[3] ?? '', { id: 6 }));
    },
  });
  const heard = createCaller(t, world.origin)();
  await heard.over;
  t.same(heard.calls, ['open', 'end']);
  t.equal(heard.text, parts.join(''));
  const [upgrade] = world.upgrades;
  t.match(upgrade?.headers, {
    origin: world.origin,
    'user-agent': 'A browser',
    'sec-websocket-protocol': SUBPROTOCOL,
  });
  t.notOk(upgrade?.headers.authorization);
  t.notMatch(JSON.stringify(upgrade?.headers), TOKEN);
  const streaming = await createWorld(t, { onSocket() {} });
  streaming.answer = () => ({ contentType: 'text/event-stream', body: parts.join('') });
  const asStream = createCaller(t, streaming.origin)();
  await asStream.over;
  t.equal(heard.text, asStream.text);
  t.same(heard.calls, asStream.calls);
});

t.test('it goes through the proxy of the session', async (t) => {
  const world = await createWorld(t, {
    onSocket: (socket) => socket.send(frame('data: 1\n\n', { id: 1, last: true })),
  });
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, client, head) => {
    tunnels.push(request.url ?? '');
    const { port } = new URL(`http://${request.url}`);
    const far = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Fine\r\n\r\n');
      far.write(head);
      far.pipe(client).pipe(far);
    });
    far.on('error', () => client.destroy());
    client.on('error', () => far.destroy());
  });
  const heard = createCaller(t, world.origin, [await listen(t, proxy)])();
  await heard.over;
  t.same([heard.calls, heard.text], [['open', 'end'], 'data: 1\n\n']);
  t.equal(tunnels.length, 2, 'call and socket');
});

t.test('frames are acknowledged in time', async (t) => {
  const total = 200;
  const acks: number[] = [];
  let worst = 0;
  const world = await createWorld(t, {
    async onSocket(socket) {
      let sent = 0;
      socket.on('message', (data) => {
        acks.push((JSON.parse((data as Buffer).toString()) as { sequenceId: number }).sequenceId);
      });
      socket.send(connected());
      while (sent < total) {
        const ids = sent % 2 === 0 ? IDS : { conversation_id: 'c-9', response_id: 'r-9' };
        sent += 1;
        socket.send(frame('data: 1\n\n', { id: sent, ids }));
        await sleep(1);
        worst = Math.max(worst, sent - (acks.at(-1) ?? 0));
        if (worst > 100) return socket.close(1008);
      }
      await sleep(1_500);
      socket.send(frame(DONE, { id: total + 1, last: true }));
    },
  });
  const heard = createCaller(t, world.origin)();
  await heard.over;
  t.same(heard.calls, ['open', 'end']);
  t.ok(worst < 100, `${worst} unacknowledged at most`);
  t.ok(acks.includes(total), 'the rest after a while');
  await sleep(100);
  t.equal(acks.at(-1), total + 1, 'the last before the goodbye');
  t.ok(acks.length < 30, `${acks.length} acknowledgements`);
});

t.test('a dropped socket is taken up again, and what is repeated is told once', async (t) => {
  for (const how of ['terminate', 'going away', 'disconnected'] as const) {
    const world = await createWorld(t, {
      onSocket(socket, request, count) {
        socket.send(connected());
        if (count === 1) {
          socket.send(frame('data: 1\n\n', { id: 1 }));
          socket.send(frame('data: 2\n\n', { id: 2 }), () => {
            if (how === 'terminate') setTimeout(() => socket.terminate(), 30);
            else if (how === 'going away') socket.close(1001);
            else socket.send(JSON.stringify({ type: 'system', event: 'disconnected', message: 'x' }));
          });
          return;
        }
        if (count === 2) return socket.terminate();
        const query = new URL(request.url ?? '', 'http://x').searchParams;
        if (query.get('awps_connection_id') !== 'k-1') return;
        if (query.get('awps_reconnection_token') !== 'again') return;
        socket.send(frame('data: 2\n\n', { id: 2 }));
        socket.send(frame('data: 3\n\n', { id: 3 }));
        socket.send(frame(DONE, { id: 4, last: true }));
      },
    });
    const heard = createCaller(t, world.origin)();
    await heard.over;
    t.same(heard.calls, ['open', 'end'], how);
    t.equal(heard.text, `data: 1\n\ndata: 2\n\ndata: 3\n\n${DONE}`, how);
    t.equal(world.posts.length, 1, how);
  }
});

t.test('what cannot be taken up is a cut answer', async (t) => {
  const first = (socket: WebSocket, act: () => void, id: number | null = 1): void => {
    socket.send(connected());
    socket.send(frame('data: 1\n\n', { id }), () => setTimeout(act, 30));
  };
  const endings: Record<string, { onSocket: OnSocket; upgrades: number; message?: RegExp }> = {
    'closed with 1000': { onSocket: (s) => first(s, () => s.close(1000)), upgrades: 1 },
    'closed with 1008': { onSocket: (s) => first(s, () => s.close(1008)), upgrades: 1 },
    'frames without numbers': { onSocket: (s) => first(s, () => s.terminate(), null), upgrades: 1 },
    'another connection': {
      onSocket: (s, _, count) => (count === 1 ? first(s, () => s.terminate()) : s.send(connected('k-2'))),
      upgrades: 2,
    },
    'dropped for good': {
      onSocket: (s, _, count) => (count === 1 ? first(s, () => s.terminate()) : s.terminate()),
      upgrades: 4,
    },
    'no base64': {
      onSocket: (s) => first(s, () => s.send(frame('x', { id: 2 }).replace(/"body":"[^"]*"/, '"body":"?!"'))),
      upgrades: 1,
      message: /base64/,
    },
    'no frame': {
      onSocket: (s) =>
        first(s, () => (s as unknown as { _socket: Socket })._socket.write(Buffer.from([0xff, 0xff]))),
      upgrades: 1,
      message: /no frame/,
    },
    'too large a frame': {
      onSocket: (s) => first(s, () => s.send(frame('x'.repeat(7 * 1024 ** 2), { id: 2 }))),
      upgrades: 1,
      message: /too large/,
    },
  };
  await Promise.all(
    Object.entries(endings).map(async ([name, { onSocket, upgrades, message = /cut/ }]) => {
      const world = await createWorld(t, { onSocket });
      const heard = createCaller(t, world.origin)();
      await heard.over;
      t.same(heard.calls, ['open', 'failure'], name);
      t.match(heard.error, { code: 'upstream_protocol_error', message }, name);
      t.notMatch(heard.error?.message, URL_TOKEN, name);
      t.equal(heard.text, 'data: 1\n\n', name);
      t.equal(world.upgrades.length, upgrades, name);
    }),
  );
});

t.test('a socket that cannot be had is told before the answer begins', async (t) => {
  const world = await createWorld(t, { onSocket() {} });
  const address = (url: unknown): void => {
    const body = JSON.stringify({ wss_url: url, ...IDS });
    world.answer = () => ({ contentType: 'application/json; charset=utf-8', body });
  };
  const wanted: [unknown, object][] = [
    ['ws://127.0.0.1:1/', { code: 'upstream_unreachable', retryable: true }],
    ['https://127.0.0.1:1/', { code: 'upstream_protocol_error', message: /web socket/ }],
    [{}, { code: 'upstream_protocol_error', message: /web socket/ }],
  ];
  for (const [url, expected] of wanted) {
    address(url);
    const heard = createCaller(t, world.origin)();
    await heard.over;
    t.same(heard.calls, ['failure']);
    t.match(heard.error, expected);
  }
  const refusing = await listen(
    t,
    createServer((_, response) => response.writeHead(401).end(URL_TOKEN)),
  );
  address(`${refusing.replace('http', 'ws')}/?access_token=${URL_TOKEN}`);
  const heard = createCaller(t, world.origin)();
  await heard.over;
  t.match(heard.error, { code: 'upstream_unreachable', message: /401/ });
  t.notMatch(heard.error?.message, URL_TOKEN);
});

t.test('pause stops the reading, resume goes on', async (t) => {
  const text = 'x'.repeat(30_000);
  const total = 1_000;
  let offered = 0;
  const world = await createWorld(t, {
    async onSocket(socket) {
      socket.send(connected());
      for (offered = 1; offered <= total && socket.readyState === 1; offered += 1) {
        socket.send(frame(text, { id: offered }));
        while (socket.bufferedAmount > 100_000 && socket.readyState === 1) await sleep(1);
      }
      socket.send(frame('', { id: total + 1, last: true }));
    },
  });
  const heard = createCaller(t, world.origin)();
  await heard.opened;
  heard.control.pause();
  await sleep(300);
  const taken = heard.bytes;
  t.ok(taken < 250_000, `${taken} bytes although paused`);
  await sleep(100);
  t.equal(heard.bytes, taken);
  t.ok(offered < total, 'the sender had to wait');
  heard.control.resume();
  await heard.over;
  t.same(heard.calls, ['open', 'end']);
  t.equal(heard.bytes, total * text.length);
});

t.test('abort frees the socket in every phase, and nothing more is heard', async (t) => {
  for (const phase of ['connecting', 'waiting', 'streaming', 'paused', 'reconnecting'] as const) {
    const world = await createWorld(t, {
      silent: phase === 'connecting',
      onSocket(socket, _, count) {
        socket.send(connected());
        if (phase === 'waiting') return;
        if (phase === 'reconnecting') {
          if (count === 1) socket.send(frame('data: 1\n\n', { id: 1 }), () => socket.terminate());
          return;
        }
        let id = 0;
        const more = setInterval(() => socket.send(frame('data: 1\n\n', { id: (id += 1) })), 2);
        socket.on('close', () => clearInterval(more));
      },
    });
    const upgraded = once(world.server, 'upgrade');
    const heard = createCaller(t, world.origin)();
    const [request] = (await upgraded) as [IncomingMessage];
    const closed = once(request.socket, 'close');
    if (phase !== 'connecting') await heard.opened;
    if (phase === 'paused') heard.control.pause();
    if (phase === 'reconnecting') await closed;
    const startMs = performance.now();
    heard.control.abort();
    heard.control.abort();
    heard.control.resume();
    const callsThen = heard.calls.length;
    const bytesThen = heard.bytes;
    if (phase !== 'reconnecting') await closed;
    t.ok(performance.now() - startMs < 1_000, phase);
    await sleep(300);
    t.same([heard.calls.length, heard.bytes], [callsThen, bytesThen], phase);
    t.notOk(heard.calls.includes('end') || heard.calls.includes('failure'), phase);
    t.equal(world.upgrades.length, 1, phase);
  }
});

t.test('who was handed over once is connected before the next call', async (t) => {
  const sockets: WebSocket[] = [];
  const world = await createWorld(t, {
    answerDelayMs: 80,
    onSocket(socket, _, count) {
      sockets.push(socket);
      socket.send(connected());
      if (count === 1) socket.send(frame(DONE, { id: 1, last: true }));
    },
  });
  const hands = (n: number): { contentType: string; body: string } => ({
    contentType: 'application/json',
    body: JSON.stringify({ wss_url: 'ws://127.0.0.1:1/', conversation_id: `c-${n}`, response_id: `r-${n}` }),
  });
  const ids = (n: number): object => ({ conversation_id: `c-${n}`, response_id: `r-${n}` });
  const call = createCaller(t, world.origin);
  await call().over;
  t.notOk(world.paths.some((path) => path.includes('register')));

  world.answer = hands;
  const second = call();
  while (world.posts.length < 2) await sleep(5);
  const shared = sockets[1];
  t.match(world.paths.slice(-3), [/register-websocket/, /^\/client/, /conversation$/]);
  shared?.send(frame('data: early\n\n', { id: 1, ids: ids(2) }));
  shared?.send(frame('data: foreign\n\n', { id: 2, ids: ids(7) }));
  const third = call();
  await second.opened;
  while (world.posts.length < 3) await sleep(5);
  shared?.send(frame('data: third\n\n', { id: 3, ids: ids(3) }));
  shared?.send(frame('data: late\n\n', { id: 4, ids: ids(2) }));
  shared?.send(frame(DONE, { id: 5, ids: ids(2) }));
  shared?.send(frame(DONE, { id: 6, ids: ids(3) }));
  await Promise.all([second.over, third.over]);
  t.equal(second.text, `data: early\n\ndata: late\n\n${DONE}`);
  t.equal(third.text, `data: third\n\n${DONE}`);
  t.equal(sockets.length, 2, 'one socket for both');
  t.equal(shared?.readyState, 1, 'and it stays');

  const left = call();
  const stays = call();
  await Promise.all([left.opened, stays.opened]);
  left.control.abort();
  await sleep(50);
  t.equal(shared?.readyState, 1, 'who leaves leaves the others their socket');
  stays.control.abort();
  if (shared !== undefined && shared.readyState !== 3) await once(shared, 'close');

  world.answer = () => ({ contentType: 'text/event-stream', body: DONE });
  const streamed = call();
  await streamed.over;
  t.equal(streamed.text, DONE);
  const registered = world.paths.filter((path) => path.includes('register')).length;
  await call().over;
  t.equal(
    world.paths.filter((path) => path.includes('register')).length,
    registered,
    'a stream ends the mode',
  );
});

t.test('a shared socket that nobody uses any more is closed', async (t) => {
  const sockets: WebSocket[] = [];
  const world = await createWorld(t, {
    onSocket(socket) {
      sockets.push(socket);
      socket.send(connected());
      socket.send(frame(DONE, { id: 1, last: true }));
    },
  });
  const call = createCaller(t, world.origin, [], 100);
  await call().over;
  const second = call();
  await second.over;
  t.equal(second.text, DONE);
  t.ok(
    world.paths.some((path) => path.includes('register')),
    'it was a shared one',
  );
  const shared = sockets.at(-1);
  if (shared !== undefined && shared.readyState !== 3) await once(shared, 'close');
  t.equal(shared?.readyState, 3);
});

t.test("a call hears what is said over its caller's socket before it was handed over itself", async (t) => {
  const sockets: WebSocket[] = [];
  const ids = (n: number): object => ({ conversation_id: `c-${n}`, response_id: `r-${n}` });
  const world = await createWorld(t, {
    answerDelayMs: 100,
    onSocket(socket) {
      sockets.push(socket);
      socket.send(connected());
      socket.send(frame('data: early\n\n', { id: 1, ids: ids(2) }));
      socket.send(frame(DONE, { id: 2, ids: ids(1) }));
    },
  });
  const wss_url = `${world.origin.replace('http', 'ws')}/client`;
  world.answer = (n) => ({
    contentType: 'application/json',
    body: JSON.stringify({ wss_url, ...ids(n) }),
  });
  const call = createCaller(t, world.origin);
  const first = call();
  await sleep(50);
  const second = call();
  await Promise.all([first.over, second.opened]);
  sockets[0]?.send(frame(DONE, { id: 3, ids: ids(2) }));
  await second.over;
  t.equal(first.text, DONE);
  t.equal(second.text, `data: early\n\n${DONE}`);
  t.equal(sockets.length, 1, 'one socket for both');
  if (sockets[0]?.readyState !== 3) await once(sockets[0] as WebSocket, 'close');
  t.pass('which goes with the last of them');
});

t.test('visitors, and callers whose registration fails, get a socket per turn', async (t) => {
  const world = await createWorld(t, {
    onSocket: (socket) => socket.send(frame(DONE, { id: 1, last: true })),
  });
  const call = createCaller(t, world.origin);
  const visitor = { identity: { token: null, accountId: null } };
  await call(visitor).over;
  const again = call(visitor);
  await again.over;
  t.same(again.calls, ['open', 'end']);
  t.notOk(world.paths.some((path) => path.includes('register')));
  await call().over;
  world.refusesToRegister = true;
  const unregistered = call();
  await unregistered.over;
  t.same(unregistered.calls, ['open', 'end']);
});
