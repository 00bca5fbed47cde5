import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Session } from '../../src/chat/ports.ts';
import type { Drawing, PendingDrawing } from '../../src/conversation/events.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createPendingDrawings } from '../../src/upstream/pending-drawings.ts';
import type { PendingDrawingsOptions } from '../../src/upstream/pending-drawings.ts';
import { parseDrawing } from '../../src/upstream/protocol/drawing.ts';
import { sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';
import { done } from '../helpers/messages.ts';
import type { MessageFields } from '../helpers/messages.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const PENDING: PendingDrawing = { conversationId: 'c 1', messageId: 't-1' };
const TOOL = { role: 'tool', name: 't2uay3k.sj1i4kz' };

type Node = readonly [id: string, parent: string | null, message: object | null];

const user = (id: string, parent: string): Node => [id, parent, done({ id, role: 'user' }).message];
const promise: Node = [
  't-1',
  'u-1',
  done({ ...TOOL, id: 't-1', metadata: { image_gen_async: true } }).message,
];
const picture = (id: string, parent: string, pointer: string, fields: MessageFields = {}): Node => {
  const parts = [{ content_type: 'image_asset_pointer', asset_pointer: pointer }];
  const content = { content_type: 'multimodal_text', parts };
  return [id, parent, done({ ...TOOL, id, content, ...fields }).message];
};
const QUESTION: readonly Node[] = [['root', null, null], user('u-1', 'root'), promise];

function conversation(nodes: readonly Node[], current = nodes.at(-1)?.[0]): object {
  const mapping = Object.fromEntries(
    nodes.map(([id, parent, message]) => {
      const children = nodes.filter((other) => other[1] === id).map(([child]) => child);
      return [id, { id, message, parent, children }];
    }),
  );
  return { title: 'x', mapping, current_node: current, conversation_id: 'c 1' };
}

const drawn = (messageId: string, ...pointers: string[]): Drawing => ({
  messageId,
  pictures: pointers.map((pointer) => ({ kind: 'pointer', pointer, conversationId: 'c 1' })),
});

const parse = (nodes: readonly Node[], current?: string, pending = PENDING): Drawing | null =>
  parseDrawing(JSON.stringify(conversation(nodes, current)), pending);

t.test('the pictures of the turn are found, finished ones only, in their order', (t) => {
  t.equal(parse(QUESTION), null);
  const growing = picture('t-2', 't-1', 'sediment://file_a', { status: 'in_progress' });
  t.equal(parse([...QUESTION, growing]), null);
  const two = [picture('t-3', 't-2', 'sediment://file_b'), picture('t-2', 't-1', 'sediment://file_a')];
  t.strictSame(parse([...QUESTION, ...two]), drawn('t-3', 'sediment://file_a', 'sediment://file_b'));
  t.strictSame(
    parse([...QUESTION, picture('t-2', 'u-1', 'sediment://file_a')], 't-1'),
    drawn('t-2', 'sediment://file_a'),
    'beside the promise, and not yet where the conversation ends',
  );
  t.strictSame(
    parse([...QUESTION.slice(0, 2), picture('t-1', 'u-1', 'sediment://file_a')]),
    drawn('t-1', 'sediment://file_a'),
    'in its place',
  );
  t.end();
});

t.test('pictures of other turns, and of tools that read, are not taken', (t) => {
  const before: Node[] = [
    ['root', null, null],
    user('u-0', 'root'),
    picture('t-0', 'u-0', 'sediment://file_old'),
    user('u-1', 't-0'),
    promise,
    ['a-1', 't-1', done({ id: 'a-1', text: 'It is being drawn.' }).message],
  ];
  t.equal(parse(before), null);
  t.equal(parse(before, 'a-1', { ...PENDING, messageId: null }), null, 'told by where it ends');
  const page = picture('t-2', 't-1', 'sediment://file_page', { name: 'web.run' });
  t.equal(parse([...before, page]), null);
  const late = picture('t-3', 'a-1', 'sediment://file_new');
  t.strictSame(parse([...before, late]), drawn('t-3', 'sediment://file_new'));
  t.end();
});

t.test('whatever the backend says, it is read or passed over', (t) => {
  const texts = ['', 'x', '[]', 'null', '{}', '{"mapping":[]}', '{"mapping":{"a":null,"b":1,"c":{}}}'];
  for (const text of texts) t.equal(parseDrawing(text, PENDING), null, text);
  const circle = [picture('t-1', 't-2', 'sediment://file_a'), picture('t-2', 't-1', 'sediment://file_b')];
  t.match(parse(circle), { pictures: { length: 2 } }, 'a circle ends');
  t.end();
});

interface World {
  readonly upstream: Upstream;
  readonly wait: (signal?: AbortSignal) => Promise<Drawing | null>;
}

async function world(
  t: Test,
  answer: (asked: Asked, nth: number) => void,
  options: Partial<PendingDrawingsOptions> = {},
): Promise<World> {
  const upstream = await startUpstream(t, { landing: answer });
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const { drawing } = createPendingDrawings({
    exchange: createExchange(exits),
    profile: { userAgent: 'Mozilla/5.0 Chrome/150.0', authKey: null },
    random: () => 0.5,
    intervalMs: 20,
    waitMs: 5_000,
    ...options,
  });
  const identity = { token: TOKEN, accountId: 'acc-1' };
  const session: Session = {
    origin: upstream.origin,
    identity,
    account: null,
    deviceId: 'd-1',
    exit: DIRECT,
  };
  return { upstream, wait: (signal = new AbortController().signal) => drawing(session, PENDING, signal) };
}

const ready = conversation([...QUESTION, picture('t-2', 't-1', 'sediment://file_a')]);
const notFound = { detail: { message: 'Conversation not found', code: 'conversation_not_found' } };

t.test('the conversation is asked for until the picture is in it', async (t) => {
  const { upstream, wait } = await world(t, (asked, nth) => {
    sendJson(asked, 200, nth < 4 ? conversation(QUESTION) : ready);
  });
  t.strictSame(await wait(), drawn('t-2', 'sediment://file_a'));
  t.equal(upstream.asked.length, 4);
  t.match(upstream.asked[0], {
    method: 'GET',
    path: '/backend-api/conversation/c%201',
    headers: { authorization: `Bearer ${TOKEN}`, 'oai-device-id': 'd-1', 'chatgpt-account-id': 'acc-1' },
  });
});

t.test('bad answers, broken connections and other failures are sat out', async (t) => {
  const { upstream, wait } = await world(t, (asked, nth) => {
    if (nth === 1) asked.socket.destroy();
    else if (nth <= 4) sendJson(asked, nth === 2 ? 500 : 429, {});
    else if (nth <= 6) sendJson(asked, 404, notFound);
    else if (nth === 7) sendJson(asked, 200, []);
    else if (nth <= 9) sendJson(asked, 404, notFound);
    else sendJson(asked, 200, ready);
  });
  t.match(await wait(), { messageId: 't-2' });
  t.equal(upstream.asked.length, 10);
});

t.test('a conversation that nobody may read, or that never has it, is given up', async (t) => {
  const temporary = await world(t, (asked) => sendJson(asked, 404, notFound));
  t.equal(await temporary.wait(), null);
  t.equal(temporary.upstream.asked.length, 3);
  const never = await world(t, (asked) => sendJson(asked, 200, conversation(QUESTION)), { waitMs: 300 });
  t.equal(await never.wait(), null);
  t.ok(never.upstream.asked.length > 1);
  const count = never.upstream.asked.length;
  await sleep(100);
  t.equal(never.upstream.asked.length, count, 'nobody asks on');
});

t.test('leaving ends the wait at once, and the call', async (t) => {
  const reason = new Error('left');
  const silent = await world(t, () => {});
  const leaving = new AbortController();
  const waiting = silent.wait(leaving.signal);
  while (silent.upstream.asked.length === 0) await sleep(5);
  leaving.abort(reason);
  await t.rejects(waiting, reason);
  await silent.upstream.asked[0]?.closed;

  const pausing = await world(t, (asked) => sendJson(asked, 200, ready), { intervalMs: 4_000 });
  const pause = new AbortController();
  setTimeout(() => pause.abort(reason), 30);
  const startedMs = performance.now();
  await t.rejects(pausing.wait(pause.signal), reason);
  t.ok(performance.now() - startedMs < 2_000);
  await t.rejects(pausing.wait(AbortSignal.abort(reason)), reason);
  t.equal(pausing.upstream.asked.length, 0);
});

t.test('waits differ by a quarter', async (t) => {
  const options = { intervalMs: 400, random: () => 0 };
  const { upstream, wait } = await world(t, (asked) => sendJson(asked, 200, ready), {
    ...options,
    waitMs: 350,
  });
  t.match(await wait(), { messageId: 't-2' }, 'the first call comes after 300 ms');
  t.equal(upstream.asked.length, 1);
  const late = { ...options, random: () => 0.999, waitMs: 350 };
  t.equal(await (await world(t, (asked) => sendJson(asked, 200, ready), late)).wait(), null);
});
