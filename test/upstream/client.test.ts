import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import type { ChatError } from '../../src/errors.ts';
import type { Clearance, Session, StreamControl, StreamReader } from '../../src/chat/ports.ts';
import type { Turn } from '../../src/conversation/turn.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createUpstreamClient } from '../../src/upstream/client.ts';
import { createQuestionBody } from '../../src/upstream/question-body.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/127.0.0.0 Safari/537.36';
const turn: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Say h\u00ef' }] }],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};
const clearance: Clearance = { requirementsToken: 'r-token', proofToken: 'p-token', arkoseToken: 'a-token' };
const noClearance: Clearance = { requirementsToken: null, proofToken: null, arkoseToken: null };

async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

const serve = (t: Test, listener: Listener): Promise<string> =>
  listen(
    t,
    createServer((request, response) => void listener(request, response)),
  );

/** Everything one call told its reader. */
interface Heard {
  readonly control: StreamControl;
  readonly calls: string[];
  bytes: number;
  text: string;
  error: ChatError | null;
  /** Resolves with the first ending. */
  readonly over: Promise<void>;
  readonly opened: Promise<void>;
}

interface CallOptions {
  readonly turn?: Turn;
  readonly session?: Partial<Session>;
  readonly clearance?: Clearance;
  readonly authKey?: string;
}

function call(t: Test, origin: string, options: CallOptions = {}): Heard {
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const profile = { userAgent: AGENT, authKey: options.authKey ?? null };
  const client = createUpstreamClient({ exits, profile, newId: randomUUID });
  const identity = { token: TOKEN, accountId: null };
  const session: Session = {
    origin,
    identity,
    account: null,
    deviceId: 'a-device',
    exit: DIRECT,
    ...options.session,
  };
  let onOver = (): void => {};
  let onOpened = (): void => {};
  const state = { calls: [] as string[], bytes: 0, text: '', error: null as ChatError | null };
  const over = new Promise<void>((resolve) => (onOver = resolve));
  const opened = new Promise<void>((resolve) => (onOpened = resolve));
  const reader: StreamReader = {
    onOpen() {
      state.calls.push('open');
      onOpened();
    },
    onBytes(chunk) {
      state.bytes += chunk.length;
      if (state.bytes < 100_000) state.text += Buffer.from(chunk).toString('latin1');
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
  };
  const control = client.converse(
    session,
    { turn: options.turn ?? turn, uploads: new Map(), continued: null },
    options.clearance ?? clearance,
    reader,
  );
  return Object.assign(state, { control, over, opened });
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
}

const stream = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'content-type': 'Text/Event-Stream; charset=utf-8' });

t.test('the call is what a browser with these tokens would send', async (t) => {
  const seen: { request: IncomingMessage; body: Record<string, unknown> }[] = [];
  const origin = await serve(t, async (request, response) => {
    seen.push({ request, body: await bodyOf(request) });
    stream(response).end('data: 1\n\n');
  });
  const account = call(t, origin, {
    session: { identity: { token: TOKEN, accountId: 'team' } },
    authKey: 'a-key',
  });
  await account.over;
  t.same(account.calls, ['open', 'end']);
  t.equal(account.text, 'data: 1\n\n');
  t.match(seen[0], {
    request: {
      method: 'POST',
      url: '/backend-api/conversation',
      headers: {
        accept: 'text/event-stream',
        'accept-encoding': 'identity',
        authorization: `Bearer ${TOKEN}`,
        'chatgpt-account-id': 'team',
        authkey: 'a-key',
        'content-type': 'application/json',
        'oai-device-id': 'a-device',
        'user-agent': AGENT,
        origin,
        referer: `${origin}/`,
        'sec-ch-ua': /"Google Chrome";v="127"/,
        'openai-sentinel-chat-requirements-token': 'r-token',
        'openai-sentinel-proof-token': 'p-token',
        'openai-sentinel-arkose-token': 'a-token',
      },
    },
    body: { messages: [{ content: { parts: ['Say h\u00ef'] } }] },
  });
  const visitor = call(t, origin, {
    session: { identity: { token: null, accountId: 'x' } },
    clearance: noClearance,
  });
  await visitor.over;
  t.equal(seen[1]?.request.url, '/backend-anon/conversation');
  const names = Object.keys(seen[1]?.request.headers ?? {});
  t.notOk(names.some((name) => /sentinel|authorization|account|authkey/.test(name)));
});

t.test('a long question arrives whole, with its length, and is let go once it is answered', async (t) => {
  const text = 'Größe ist nicht alles. '.repeat(50_000);
  const seen: { length: number; body: Record<string, unknown> }[] = [];
  const origin = await serve(t, async (request, response) => {
    const length = Number(request.headers['content-length']);
    seen.push({ length, body: await bodyOf(request) });
    stream(response).end('data: 1\n\n');
  });
  const long = call(t, origin, {
    turn: { ...turn, messages: [{ role: 'user', parts: [{ type: 'text', text }] }] },
  });
  await long.over;
  t.same(long.calls, ['open', 'end']);
  t.equal(seen[0]?.length, Buffer.byteLength(JSON.stringify(seen[0]?.body)));
  t.match(seen[0]?.body, { messages: [{ content: { parts: [text] } }] });

  const question = createQuestionBody(JSON.stringify({ text }));
  const bytesLeft = async (): Promise<number> => {
    t.not(typeof question.sent, 'string');
    let bytes = 0;
    for await (const chunk of question.sent as AsyncIterable<Uint8Array>) bytes += chunk.length;
    return bytes;
  };
  t.equal(await bytesLeft(), question.bytes);
  t.equal(await bytesLeft(), question.bytes, 'a connection that broke is no reason to lose it');
  question.release();
  t.equal(await bytesLeft(), 0);
});

t.test('a refusal is told once, classified, with its body in words', async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(429, { 'content-type': 'application/json; charset=utf-8' });
    response.end(
      JSON.stringify({
        detail: { clears_in: 77, message: 'You have sent too many.', code: 'model_cap_exceeded' },
      }),
    );
  });
  const heard = call(t, origin);
  await heard.over;
  t.same(heard.calls, ['failure']);
  t.match(heard.error, { code: 'rate_limit_exceeded', retryAfterS: 77, message: /too many/ });
});

t.test('answers that are no stream', async (t) => {
  const answers: Record<string, [number, Record<string, string>, string, object]> = {
    socket: [200, { 'content-type': 'application/json' }, '{"wss_url":"wss://x"}', { message: /web socket/ }],
    redirect: [307, { location: '/elsewhere' }, '', { message: /redirect/ }],
    text: [200, { 'content-type': 'text/plain' }, 'hi', { message: /text\/plain/ }],
    packed: [
      200,
      { 'content-type': 'text/event-stream', 'content-encoding': 'zstd' },
      'hi',
      { message: /zstd/ },
    ],
  };
  for (const [name, [status, headers, body, expected]] of Object.entries(answers)) {
    const origin = await serve(t, (_, response) => response.writeHead(status, headers).end(body));
    const heard = call(t, origin);
    await heard.over;
    t.same(heard.calls, ['failure'], name);
    t.match(heard.error, { code: 'upstream_protocol_error', ...expected }, name);
  }
});

t.test('an error without end is told with what came of it', async (t) => {
  const origin = await serve(t, (_, response) => {
    response.on('error', () => {}).writeHead(500, { 'content-type': 'text/plain' });
    const flood = setInterval(() => response.write('x'.repeat(30_000)), 1);
    response.on('close', () => clearInterval(flood));
  });
  const heard = call(t, origin);
  await heard.over;
  t.match(heard.error, { code: 'upstream_error' });
  t.ok((heard.error?.message.length ?? 0) < 400);
});

t.test('a compressed stream is unpacked as it comes', async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
    const gzip = createGzip();
    gzip.pipe(response);
    gzip.write('data: 1\n\n');
    gzip.flush(() => setTimeout(() => gzip.end('data: 2\n\n'), 30));
  });
  const heard = call(t, origin);
  await heard.over;
  t.same(heard.calls, ['open', 'end']);
  t.equal(heard.text, 'data: 1\n\ndata: 2\n\n');
});

t.test('connections that break', async (t) => {
  const raw = (answer: string): Promise<string> =>
    listen(
      t,
      createTcpServer((socket) => void socket.once('data', () => socket.end(answer))),
    );
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
  const silent = call(t, await raw(''));
  await silent.over;
  t.match(silent.error, { code: 'upstream_unreachable', retryable: true, message: /before it answered/ });
  const cut = call(t, await raw(`${head}5\r\nhello\r\n`));
  await cut.over;
  t.same(cut.calls, ['open', 'failure']);
  t.match(cut.error, { code: 'upstream_protocol_error', message: /cut/ });
  const garbled = call(t, await raw('SSH-2.0-OpenSSH\r\n'));
  await garbled.over;
  t.match(garbled.error, { code: 'upstream_protocol_error', message: /not HTTP/ });
  const nobody = call(t, 'http://127.0.0.1:1');
  await nobody.over;
  t.match(nobody.error, { code: 'upstream_unreachable', retryable: true, message: /ECONNREFUSED/ });
  const unsendable = call(t, 'http://127.0.0.1:1', {
    session: { identity: { token: 'a\nb', accountId: null } },
  });
  await unsendable.over;
  t.match(unsendable.error, { code: 'invalid_value' });
});

t.test('abort frees the socket in every phase and nothing more is heard', async (t) => {
  const server = createServer((request, response) => {
    if (request.headers['oai-device-id'] === 'headers') return;
    stream(response).write('data: 1\n\n');
    const more = setInterval(() => response.write('data: 2\n\n'), 5);
    response.on('close', () => clearInterval(more));
  });
  const origin = await listen(t, server);
  for (const phase of ['headers', 'streaming', 'paused'] as const) {
    const arrived = once(server, 'request');
    const heard = call(t, origin, { session: { deviceId: phase } });
    const [request] = (await arrived) as [IncomingMessage];
    if (phase !== 'headers') await heard.opened;
    if (phase === 'paused') heard.control.pause();
    const closed = once(request.socket, 'close');
    const startMs = performance.now();
    heard.control.abort();
    heard.control.abort();
    heard.control.resume();
    await closed;
    t.ok(performance.now() - startMs < 1_000, phase);
    await sleep(20);
    t.notOk(heard.calls.includes('end') || heard.calls.includes('failure'), phase);
  }
  let connections = 0;
  server.on('connection', () => (connections += 1));
  const early = call(t, origin);
  early.control.abort();
  await sleep(50);
  t.same([early.calls, connections], [[], 0], 'aborted at once');
});

t.test('pause stops the reading, resume goes on', async (t) => {
  for (const encoding of ['identity', 'gzip']) {
    let offered = 0;
    const total = encoding === 'gzip' ? 15_000_000 : 40_000_000;
    const origin = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': encoding });
      const sink = encoding === 'gzip' ? createGzip({ level: 0 }) : response;
      if (sink !== response) sink.pipe(response);
      const push = (): void => {
        while (offered < total) {
          offered += 50_000;
          if (!sink.write(Buffer.alloc(50_000))) return void sink.once('drain', push);
        }
        sink.end();
      };
      push();
    });
    const heard = call(t, origin);
    await heard.opened;
    heard.control.pause();
    await sleep(300);
    const taken = heard.bytes;
    t.ok(taken < 1_000_000, `${encoding}: ${taken} bytes although paused`);
    await sleep(100);
    t.equal(heard.bytes, taken, encoding);
    t.ok(offered < total, `${encoding}: the sender had to wait`);
    heard.control.resume();
    await heard.over;
    t.equal(heard.bytes, total, encoding);
    t.same(heard.calls, ['open', 'end'], encoding);
  }
});
