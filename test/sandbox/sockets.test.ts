import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import {
  ACCESS_TOKEN,
  finalText,
  parseData,
  startSandbox,
  until,
  type BackendClient,
} from './backend-client.ts';

const SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1';

interface Frame {
  readonly type: string;
  readonly event?: string;
  readonly connectionId?: string;
  readonly reconnectionToken?: string;
  readonly sequenceId?: number;
  readonly data?: {
    readonly type: string;
    readonly body: string;
    readonly more_body: boolean;
    readonly response_id: string;
    readonly conversation_id: string;
  };
}

interface HandOver {
  readonly wss_url: string;
  readonly conversation_id: string;
  readonly response_id: string;
}

t.test('an answer comes over the socket, one event in each frame', async (t) => {
  const client = await startSandbox(t);
  const url = await register(client);
  const ear = await listen(t, url);
  t.match(ear.frames[0], {
    type: 'system',
    event: 'connected',
    connectionId: String,
    reconnectionToken: String,
  });
  t.equal(ear.socket.protocol, SUBPROTOCOL);

  await client.scenario({ transport: 'websocket', answer: 'one two three' });
  const handOver = await ask(client);
  t.equal(handOver.wss_url, url);
  await ear.finished();
  const messages = ear.messages();
  t.same(
    messages.map(({ sequenceId }) => sequenceId),
    messages.map((_, index) => index + 1),
  );
  t.match(messages[0], {
    type: 'message',
    from: 'group',
    dataType: 'json',
    data: { type: 'http.response.body' },
  });
  for (const { data } of messages) {
    t.match(data, { conversation_id: handOver.conversation_id, response_id: handOver.response_id });
    t.match(eventOf(data), /^data: [^\n]+\n\n$/);
  }
  t.same(
    messages.map(({ data }) => data?.more_body),
    messages.map((_, index) => index < messages.length - 1),
  );
  t.equal(eventOf(messages.at(-1)?.data), 'data: [DONE]\n\n');
  t.equal(finalText(ear.text(handOver.conversation_id)), 'one two three');
});

t.test('a socket may be opened after the address was handed over', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ transport: 'websocket', answer: 'late' });
  const handOver = await ask(client);
  const ear = await listen(t, handOver.wss_url);
  await ear.finished();
  t.equal(finalText(ear.text(handOver.conversation_id)), 'late');
});

t.test('a socket wants its token, its path and its subprotocol', async (t) => {
  const client = await startSandbox(t);
  const url = await register(client);
  const status = async (to: string, protocol: string): Promise<number> => {
    const socket = new WebSocket(to, protocol);
    socket.on('error', () => {});
    return new Promise((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
      socket.on('open', () => resolve(101));
    });
  };
  t.equal(await status(url.replace(/access_token=.*/, 'access_token=none'), SUBPROTOCOL), 401);
  t.equal(await status(url.replace('conversations', 'others'), SUBPROTOCOL), 404);
  t.equal(await status(url, 'json.webpubsub.azure.v1'), 400);
  t.equal(await status(url, SUBPROTOCOL), 101);
  const refused = await client.account('POST', '/register-websocket', { more: 1 });
  t.equal(refused.status, 422);
  t.equal((await client.account('POST', '/register-websocket', undefined, 'Bearer nobody')).status, 401);
  await client.scenario({ at: 'register', error: 'server_error' });
  t.equal((await client.account('POST', '/register-websocket')).status, 500);
});

t.test('an address is good for an hour and for one account', async (t) => {
  let nowMs = 1_720_000_000_000;
  const client = await startSandbox(t, { now: () => nowMs });
  const url = await register(client);
  t.equal(await register(client), url);
  t.not(await register(client, 'Bearer eyJhbGciOi.other'), url);
  nowMs += 3_600_000;
  await t.rejects(listen(t, url), /401/);
  t.not(await register(client), url);
});

t.test('what is acknowledged is forgotten', async (t) => {
  const client = await startSandbox(t);
  const ear = await listen(t, await register(client));
  await client.scenario({ transport: 'websocket', answer: 'one two three' });
  await ask(client);
  await ear.finished();
  const sent = ear.messages().length;
  t.match(await connection(client), { sent, acked: 0, unacked: sent, connected: true });
  ear.socket.send(JSON.stringify({ type: 'sequenceAck', sequenceId: 3 }));
  await until(async () => (await connection(client))?.acked === 3);
  t.match(await connection(client), { unacked: sent - 3 });
  ear.socket.send('{"type":"ping"}');
  await until(() => Promise.resolve(ear.frames.some(({ type }) => type === 'pong')));
});

t.test('a client that acknowledges nothing, or nonsense, is sent away with 1008', async (t) => {
  const client = await startSandbox(t);
  const url = await register(client);
  await client.scenario({ transport: 'websocket', answer: 'a b c d e f g h', maxUnacked: 5 });
  const silent = await listen(t, url);
  await ask(client);
  t.equal(await silent.closed, 1008);
  t.equal(silent.messages().length, 6);
  for (const text of ['{', '{"type":"sequenceAck","sequenceId":7}', '{"type":"joinGroup"}']) {
    const odd = await listen(t, url);
    odd.socket.send(text);
    t.equal(await odd.closed, 1008, text);
  }
  const good = await listen(t, url, true);
  await ask(client);
  await good.finished();
});

t.test('an answer of any length flows while it is acknowledged', async (t) => {
  const client = await startSandbox(t);
  const ear = await listen(t, await register(client), true);
  const answer = Array.from({ length: 400 }, () => 'x ');
  await client.scenario({ transport: 'websocket', answer, maxUnacked: 200, eventDelayMs: 1 });
  const { conversation_id } = await ask(client);
  await ear.finished();
  t.equal(finalText(ear.text(conversation_id)), answer.join(''));
});

t.test('a dropped socket is taken up again where its acknowledgements ended', async (t) => {
  const client = await startSandbox(t);
  const url = await register(client);
  const first = await listen(t, url);
  await client.scenario({
    transport: 'websocket',
    answer: 'a b c d e f',
    dropSocketAfterEvents: 5,
    eventDelayMs: 5,
  });
  const { conversation_id } = await ask(client);
  await until(() => Promise.resolve(first.messages().length >= 2));
  first.socket.send('{"type":"sequenceAck","sequenceId":2}');
  t.equal(await first.closed, 1006);

  const hello = first.frames[0];
  const again = new URL(url);
  again.searchParams.set('awps_connection_id', hello?.connectionId ?? '');
  again.searchParams.set('awps_reconnection_token', hello?.reconnectionToken ?? '');
  const second = await listen(t, again.href);
  await second.finished();
  t.equal(second.frames[0]?.connectionId, hello?.connectionId);
  t.equal(second.messages()[0]?.sequenceId, 3, 'what was acknowledged is not repeated');
  const acked = first.messages().slice(0, 2);
  const text = [...acked, ...second.messages()].map(({ data }) => eventOf(data)).join('');
  t.equal(finalText(text), 'a b c d e f');
  t.equal(parseData(text)[0]?.['conversation_id'], conversation_id);

  again.searchParams.set('awps_reconnection_token', 'wrong');
  const stranger = await listen(t, again.href, false, 0);
  t.equal(await stranger.closed, 1008);
});

t.test('frames of other conversations come in between', async (t) => {
  const client = await startSandbox(t);
  const ear = await listen(t, await register(client));
  await client.scenario({ transport: 'websocket', answer: 'a b', foreignFrames: true });
  const { conversation_id } = await ask(client);
  await ear.finished();
  const foreign = ear.messages().filter(({ data }) => data?.conversation_id !== conversation_id);
  t.equal(foreign.length, ear.messages().length / 2);
  t.equal(finalText(ear.text(conversation_id)), 'a b');
});

t.test('streams break over sockets too', async (t) => {
  const client = await startSandbox(t);
  const url = await register(client);
  const play = async (scenario: object) => {
    const ear = await listen(t, url);
    await client.scenario({ transport: 'websocket', answer: 'a b c d', ...scenario });
    await ask(client);
    return ear;
  };
  const cut = await play({ cutAfterEvents: 4 });
  t.equal(await cut.closed, 1006);
  t.equal(cut.messages().length, 4);
  const failed = await play({ errorEventAfter: 3 });
  await failed.finished();
  t.match(eventOf(failed.messages().at(-2)?.data), /"message":null.*unusual activity/);
  failed.socket.close();
  const ended = await play({ endAfterEvents: 3 });
  await ended.finished();
  t.same([ended.messages().length, eventOf(ended.messages().at(-1)?.data)], [4, '']);
  ended.socket.close();
  const stalled = await play({ stallAfterEvents: 3 });
  await until(() => Promise.resolve(stalled.messages().length === 3));
  stalled.socket.close();
  await until(async () => !(await client.records()).some(({ playing }) => playing));
});

t.test('closing the sandbox ends its sockets', async (t) => {
  const client = await startSandbox(t);
  let ear: Ear | null = null;
  await t.test('while one is open', async (t) => {
    const inner = await startSandbox(t);
    ear = await listen(t, await register(inner));
  });
  t.equal(await (ear as Ear | null)?.closed, 1006);
  t.equal((await client.account('POST', '/register-websocket', {})).status, 200);
});

async function register(client: BackendClient, authorization = ACCESS_TOKEN): Promise<string> {
  const reply = await client.account('POST', '/register-websocket', undefined, authorization);
  return (JSON.parse(reply.body) as { wss_url: string }).wss_url;
}

async function ask(client: BackendClient): Promise<HandOver> {
  const reply = await client.accountChat('anything', { websocket_request_id: randomUUID() });
  t.match([reply.status, reply.headers['content-type']], [200, 'application/json']);
  return JSON.parse(reply.body) as HandOver;
}

/** What came over one socket. */
interface Ear {
  readonly socket: WebSocket;
  readonly frames: readonly Frame[];
  /** With the code of the close. */
  readonly closed: Promise<number>;
  messages(): readonly Frame[];
  /** The stream of one conversation. */
  text(conversationId: string): string;
  /** Resolves with the last frame of an answer. */
  finished(): Promise<void>;
}

/** Resolves when `atLeast` frames have come. */
async function listen(t: Test, url: string, acknowledges = false, atLeast = 1): Promise<Ear> {
  const socket = new WebSocket(url, SUBPROTOCOL);
  t.teardown(() => socket.terminate());
  const frames: Frame[] = [];
  const messages = (): readonly Frame[] => frames.filter(({ type }) => type === 'message');
  socket.on('message', (raw) => {
    const frame = JSON.parse((raw as Buffer).toString()) as Frame;
    frames.push(frame);
    const ack = { type: 'sequenceAck', sequenceId: frame.sequenceId };
    if (acknowledges && frame.sequenceId !== undefined) socket.send(JSON.stringify(ack));
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  await until(() => Promise.resolve(frames.length >= atLeast));
  return {
    socket,
    frames,
    closed,
    messages,
    text: (conversationId) =>
      messages()
        .filter(({ data }) => data?.conversation_id === conversationId)
        .map(({ data }) => eventOf(data))
        .join(''),
    finished: () => until(() => Promise.resolve(messages().some(({ data }) => data?.more_body === false))),
  };
}

function eventOf(data: Frame['data']): string {
  return Buffer.from(data?.body ?? '', 'base64').toString();
}

interface ConnectionState {
  readonly connected: boolean;
  readonly sent: number;
  readonly acked: number;
  readonly unacked: number;
}

async function connection(client: BackendClient): Promise<ConnectionState | undefined> {
  return ((await client.json('GET', '/__sandbox/state')) as { sockets: ConnectionState[] }).sockets[0];
}
