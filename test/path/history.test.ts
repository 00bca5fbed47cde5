import OpenAI from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import t from 'tap';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Env } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { startGateway, startProxy } from '../helpers/gateway.ts';
import '../helpers/bare-threads.ts';
import { newDataDir } from '../helpers/data-dir.ts';
import type { Call, Gateway, Reply } from '../helpers/gateway.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const OTHER_TOKEN = 'eyJhbGciOi-another-token';

/** The whole program before one gateway or several; its address. */
async function start(t: Test, gateways: readonly Gateway[], env: Env = {}): Promise<string> {
  const config = parseConfig({
    RETRY_TIMES: '0',
    DRAIN_TIMEOUT_MS: '100',
    HISTORY_DISABLED: 'false',
    ...env,
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: newDataDir(t),
    CHATGPT_BASE_URL: gateways.map(({ url }) => url).join(','),
  });
  const stream = { write: (line: string) => t.notMatch(line, /canary/) };
  const app = createApp(config, createLog({ level: 'info', format: 'json', stream }));
  t.teardown(() => app.close());
  return `http://127.0.0.1:${(await app.listen()).port}`;
}

const clientOf = (url: string, apiKey: string = TOKEN): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

/** What this program reads and answers beyond the real API. */
interface Ids {
  readonly conversation_id?: string;
  readonly message_id?: string;
}
interface Extras {
  readonly conversation_id?: string;
  readonly parent_message_id?: string;
  readonly history_disabled?: boolean;
  readonly model?: string;
  readonly max_tokens?: number;
  readonly n?: number;
}

const asked = (extras: Extras) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user' as const, content: 'Hi' }],
  ...extras,
});

function ask(client: OpenAI, extras: Extras = {}): Promise<ChatCompletion & Ids> {
  return client.chat.completions.create({ ...asked(extras), stream: false });
}

async function askStream(client: OpenAI, extras: Extras = {}): Promise<(ChatCompletionChunk & Ids)[]> {
  const stream = await client.chat.completions.create({
    ...asked(extras),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly ChatCompletionChunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

interface Said {
  readonly id?: string;
  readonly conversation?: string;
  /** Why the message is the last; left out: it is not. */
  readonly finish?: string;
}

const message = (text: string, { id = 'a-1', finish }: Said = {}): object => ({
  id,
  author: { role: 'assistant' },
  content: { content_type: 'text', parts: [text] },
  status: finish === undefined ? 'in_progress' : 'finished_successfully',
  end_turn: finish === undefined ? null : true,
  metadata: finish === undefined ? {} : { finish_details: { type: finish } },
  recipient: 'all',
});

const say = (text: string, said: Said = {}): object => ({
  message: message(text, said),
  conversation_id: said.conversation ?? 'c-1',
});

/** The same as patches. `from`: the text that the stream starts with. */
const sayInPatches = (from: string, pieces: readonly string[], finish: string): unknown[] => [
  // Each stream begins with `add` as its operation, said or not.
  { p: '', c: 0, v: { message: message(from), conversation_id: 'c-1', error: null } },
  ...pieces.map((piece) => ({ p: '/message/content/parts/0', o: 'append', v: piece })),
  {
    p: '',
    o: 'patch',
    v: [
      { p: '/message/status', o: 'replace', v: 'finished_successfully' },
      { p: '/message/end_turn', o: 'replace', v: true },
      { p: '/message/metadata', o: 'append', v: { finish_details: { type: finish } } },
    ],
  },
  '[DONE]',
];

const hello = [say('Hel'), say('Hello', { finish: 'stop' }), '[DONE]'];

t.test('ids of kept chats: on every chunk and on the whole answer; of temporary ones nowhere', async (t) => {
  const gateway = await startGateway(t, { conversation: () => hello });
  const client = clientOf(await start(t, [gateway]));
  const ids = { conversation_id: 'c-1', message_id: 'a-1' };
  t.match(await ask(client), ids);
  const chunks = await askStream(client);
  t.equal(textOf(chunks), 'Hello');
  for (const chunk of chunks) t.match(chunk, ids, JSON.stringify(chunk.choices));
  t.match(gateway.to('/conversation')[0]?.body, { history_and_training_disabled: false });
  const whole = await ask(client, { history_disabled: true });
  for (const chunk of [whole, ...(await askStream(client, { history_disabled: true }))]) {
    t.notOk('conversation_id' in chunk || 'message_id' in chunk);
  }
  t.match(gateway.to('/conversation')[2]?.body, { history_and_training_disabled: true });
  const temporary = clientOf(await start(t, [gateway], { HISTORY_DISABLED: 'true' }));
  t.notOk('message_id' in (await ask(temporary)));
  t.match(await ask(temporary, { history_disabled: false }), ids, 'the request decides');
});

t.test('the message to go on from is the last one that the client saw', async (t) => {
  const steps = [
    say('Let me see.', { id: 'a-1' }),
    { message: { ...message('6*7', { id: 'code' }), recipient: 'python' }, conversation_id: 'c-1' },
    { message: { ...message('42', { id: 'out' }), author: { role: 'tool' } }, conversation_id: 'c-1' },
    say('It is 42.', { id: 'a-2', finish: 'stop' }),
    '[DONE]',
  ];
  const gateway = await startGateway(t, { conversation: () => steps });
  const client = clientOf(await start(t, [gateway]));
  t.match(await ask(client), { message_id: 'a-2' });
  const chunks = await askStream(client);
  t.equal(chunks[0]?.message_id, 'a-1');
  t.strictSame(
    chunks.slice(-2).map(({ message_id }) => message_id),
    ['a-2', 'a-2'],
  );
  await ask(client, { conversation_id: 'c-1' });
  const last = gateway.to('/conversation').at(-1);
  t.match(last?.body, { conversation_id: 'c-1', parent_message_id: 'a-2' }, 'we know it even when not told');
  await ask(client, { conversation_id: 'c-1', parent_message_id: 'earlier' });
  t.match(gateway.to('/conversation').at(-1)?.body, { parent_message_id: 'earlier' });
});

t.test('a conversation goes on by the same account, gateway and proxy, and for nobody else', async (t) => {
  let conversations = 0;
  const begin = (call: Call): Reply => {
    const conversation = (call.body['conversation_id'] as string | undefined) ?? `c-${(conversations += 1)}`;
    return [say('Yes', { conversation, id: `a-${conversation}`, finish: 'stop' }), '[DONE]'];
  };
  const gateways = [
    await startGateway(t, { conversation: begin }),
    await startGateway(t, { conversation: begin }),
    await startGateway(t, { conversation: begin }),
  ];
  const proxies = [await startProxy(t), await startProxy(t)];
  const url = await start(t, gateways, { PROXY_URL: proxies.map((proxy) => proxy.url).join(',') });
  const client = clientOf(url);
  const whereIs = (conversation: string): [number, string | undefined][] =>
    gateways.flatMap((gateway, at) =>
      gateway
        .to('/conversation')
        .filter(({ body }) => body['conversation_id'] === conversation)
        .map(({ headers }): [number, string | undefined] => [at, headers['oai-device-id'] as string]),
    );
  const begun: Ids[] = [];
  for (let i = 0; i < 3; i += 1) begun.push(await ask(client));
  t.strictSame(
    gateways.map((gateway) => gateway.to('/conversation').length),
    [1, 1, 1],
    'new ones are spread',
  );
  const ways = (): number =>
    new Set(proxies.flatMap(({ url: proxy, targets }) => targets.map((target) => `${proxy} ${target}`))).size;
  t.equal(ways(), 3, 'by three ways of six');
  for (const { conversation_id: id = '', message_id } of begun) {
    for (let i = 0; i < 3; i += 1) {
      await ask(client, { conversation_id: id, parent_message_id: message_id ?? '' });
    }
    t.equal(new Set(whereIs(id).map(String)).size, 1, `${id}: one gateway, one device`);
  }
  t.equal(ways(), 3, 'and by no other');
  const [{ conversation_id: mine = '' } = {}] = begun;
  const other = clientOf(url, OTHER_TOKEN);
  for (let i = 0; i < 4; i += 1) await ask(other, { conversation_id: mine });
  const devices = new Set(whereIs(mine).map(([, device]) => device));
  t.ok(devices.size > 1, 'somebody else has a session of his own');
});

t.test('upstream does not know the conversation: a clear error', async (t) => {
  const json = { detail: { message: 'Gone', code: 'conversation_not_found' } };
  const gateway = await startGateway(t, { conversation: () => ({ status: 404, json }) });
  const client = clientOf(await start(t, [gateway]));
  await t.rejects(ask(client, { conversation_id: 'c-9' }), { status: 404, code: 'conversation_not_found' });
});

for (const encoding of ['legacy', 'v1'] as const) {
  const isLegacy = encoding === 'legacy';
  const streams: Record<string, unknown[]> = {
    first: isLegacy
      ? [say('Once upon'), say('Once upon a \ud83d', { finish: 'max_tokens' }), '[DONE]']
      : sayInPatches('', ['Once upon', ' a \ud83d'], 'max_tokens'),
    second: isLegacy
      ? [
          say('Once upon a \ud83d'),
          say('Once upon a \ud83d\ude80, far'),
          say('Once upon a \ud83d\ude80, far', { finish: 'max_tokens' }),
          '[DONE]',
        ]
      : sayInPatches('Once upon a \ud83d', ['\ude80, far'], 'max_tokens'),
    third: isLegacy
      ? [say(''), say('Once upon a \ud83d\ude80, far away.', { finish: 'stop' }), '[DONE]']
      : sayInPatches('', ['Once upon a \ud83d\ude80', ', far away', '.'], 'stop'),
  };
  t.test(`${encoding}: upstream's length limit is not the client's`, async (t) => {
    const script = ['first', 'second', 'third'];
    const gateway = await startGateway(t, {
      conversation: (_call, count) => streams[script[count % 3] ?? ''] ?? null,
    });
    const client = clientOf(await start(t, [gateway]));
    const text = 'Once upon a 🚀, far away.';
    const chunks = await askStream(client);
    t.equal(textOf(chunks), text);
    t.strictSame(
      chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason)).filter(Boolean),
      ['stop'],
    );
    const whole = await ask(client);
    t.match(whole, { choices: [{ message: { content: text }, finish_reason: 'stop' }], message_id: 'a-1' });
    t.strictSame(whole.usage, chunks.at(-1)?.usage);
    const [first, second, third] = gateway.to('/conversation');
    t.match(first?.body, { action: 'next' });
    for (const call of [second, third]) {
      t.match(call?.body, { action: 'continue', conversation_id: 'c-1', parent_message_id: 'a-1' });
      t.notOk('messages' in (call?.body ?? {}));
      t.equal(call?.headers['oai-device-id'], first?.headers['oai-device-id']);
    }
    t.equal(gateway.to('/chat-requirements').length, 6, 'each call is cleared');
  });
}

t.test("the client's own limit ends the answer; upstream is not asked on", async (t) => {
  const gateway = await startGateway(t, {
    conversation: () => [say('one two three four five', { finish: 'max_tokens' }), '[DONE]'],
  });
  const client = clientOf(await start(t, [gateway]));
  t.match(await ask(client, { max_tokens: 2 }), { choices: [{ finish_reason: 'length' }] });
  t.equal(gateway.to('/conversation').length, 1);
});

t.test('temporary chats go on too; a stream that breaks then is an error frame without [DONE]', async (t) => {
  const conversation = (call: Call): Reply =>
    call.body['action'] === 'continue' ? [say('One two')] : [say('One', { finish: 'max_tokens' }), '[DONE]'];
  const gateway = await startGateway(t, { conversation });
  const url = await start(t, [gateway], { HISTORY_DISABLED: 'true', RETRY_TIMES: '3' });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...asked({}), stream: true }),
  });
  const text = await response.text();
  t.match(text, /"content":"One".*"content":" two".*"upstream_protocol_error"/s);
  t.notMatch(text, /\[DONE\]|"finish_reason":"/);
  t.equal(gateway.to('/conversation').length, 2);
});

const listing =
  (...slugs: string[]) =>
  (): Reply => ({ status: 200, json: { models: slugs.map((slug) => ({ slug, title: slug })) } });

t.test("GET /v1/models: everybody's names and the account's own", async (t) => {
  const gateway = await startGateway(t, { models: listing('gpt-4o', 'o1', 'gpt-4o', '', 'bad slug') });
  const url = await start(t, [gateway]);
  const mine = clientOf(url, `${TOKEN},team-1`);
  const [ids, again] = await Promise.all(
    [mine, mine].map(async (client) => (await client.models.list()).data.map(({ id }) => id)),
  );
  t.strictSame(again, ids);
  t.strictSame(
    ids?.filter((id) => id === 'gpt-4o' || id === 'o1' || id.startsWith('bad')),
    ['gpt-4o', 'o1'],
  );
  t.match(await mine.models.retrieve('o1'), { id: 'o1', object: 'model' });
  await t.rejects(mine.models.retrieve('o9'), { status: 404, code: 'model_not_found' });
  t.equal(gateway.to('/models').length, 1, 'asked for once');
  t.match(gateway.to('/models')[0], {
    path: '/backend-api/models',
    headers: { authorization: `Bearer ${TOKEN}`, 'chatgpt-account-id': 'team-1' },
  });
  const headers = { authorization: `Bearer ${TOKEN}`, 'chatgpt-account-id': 'team-2' };
  await fetch(`${url}/v1/models`, { headers });
  t.match(gateway.to('/models')[1]?.headers, { 'chatgpt-account-id': 'team-2' }, 'a list for each workspace');
  const visitor = clientOf(url, 'some-key');
  t.notOk((await visitor.models.list()).data.some(({ id }) => id === 'o1'));
  await t.rejects(visitor.models.retrieve('o1'), { status: 404, code: 'model_not_found' });
  t.equal(gateway.to('/models').length, 2, 'visitors have no list of their own');
});

t.test('Codex finds its own form in the same body', async (t) => {
  const gateway = await startGateway(t, { models: listing('o1') });
  const url = await start(t, [gateway]);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await fetch(`${url}/v1/models?client_version=0.169.0`, { headers });
  t.match(response.headers.get('etag'), /^"[\w-]+"$/);
  const body = (await response.json()) as Record<string, { id?: string; slug?: string }[]>;
  t.match(body, { object: 'list' });
  t.strictSame(
    body['models']?.map(({ slug }) => slug),
    body['data']?.map(({ id }) => id),
  );
  t.notOk('models' in ((await (await fetch(`${url}/v1/models`, { headers })).json()) as object));
});

t.test('a list that cannot be had leaves the fixed names, and keys are asked for as in chats', async (t) => {
  const gateway = await startGateway(t, {
    models: () => ({ status: 500, json: {} }),
    conversation: () => hello,
  });
  const url = await start(t, [gateway], { AUTHORIZATION: 'sk-good' });
  t.ok((await clientOf(url).models.list()).data.some(({ id }) => id === 'gpt-4o'));
  t.match(await clientOf(url).models.retrieve('gpt-4o'), { id: 'gpt-4o' });
  t.match(await ask(clientOf(url), { model: 'o1' }), { model: 'o1' });
  t.equal(gateway.to('/models').length, 1, 'a failure is remembered for a while');
  t.ok((await clientOf(url, 'sk-good').models.list()).data.length > 0);
  await t.rejects(clientOf(url, 'sk-bad').models.list(), { status: 401, code: 'invalid_api_key' });
});

t.test("a slug of the account's own is used as it is; fixed names wait for no list", async (t) => {
  const gateway = await startGateway(t, {
    models: listing('o1', 'gpt-4o-canmore', 'gpt-4'),
    conversation: () => hello,
  });
  const url = await start(t, [gateway]);
  const slugFor = async (model: string, key = TOKEN): Promise<unknown> => {
    await ask(clientOf(url, key), { model });
    return gateway.to('/conversation').at(-1)?.body['model'];
  };
  t.equal(await slugFor('gpt-4o'), 'gpt-4o');
  t.equal(await slugFor('o1', 'a-visitor'), 'text-davinci-002-render-sha');
  t.equal(gateway.to('/models').length, 0);
  t.equal(await slugFor('o1'), 'o1');
  t.equal(await slugFor('gpt-4o-canmore'), 'gpt-4o-canmore');
  t.equal(await slugFor('gpt-4.5'), 'gpt-4');
  t.equal(gateway.to('/models').length, 1);
});

t.test('CHECK_MODEL, personas and custom GPTs', async (t) => {
  const checked = await startGateway(t, { models: listing('gpt-4o'), conversation: () => hello });
  const url = await start(t, [checked], { CHECK_MODEL: 'true' });
  t.match(await ask(clientOf(url), { model: 'gpt-4o' }), { object: 'chat.completion' });
  const unknown = { status: 404, code: 'model_not_found' };
  await t.rejects(ask(clientOf(url), { model: 'gpt-4o-mini' }), unknown);
  t.equal(checked.to('/conversation').length, 1);
  await ask(clientOf(url, 'a-visitor'));
  t.match(checked.to('/models').at(-1)?.path, '/backend-anon/models');

  const ill = await startGateway(t, { models: () => ({ status: 503, json: {} }) });
  const illUrl = await start(t, [ill], { CHECK_MODEL: 'true' });
  await t.rejects(ask(clientOf(illUrl)), { ...unknown, message: /Failed to get/ });

  const free = await startGateway(t, { persona: 'chatgpt-freeaccount', conversation: () => hello });
  const freeUrl = await start(t, [free]);
  await t.rejects(ask(clientOf(freeUrl), { model: 'gpt-4' }), unknown);
  t.match(await ask(clientOf(freeUrl), { model: 'gpt-4o' }), { object: 'chat.completion' });

  const gpts = await startGateway(t, {
    conversation: ({ body }) =>
      JSON.stringify(body['conversation_mode']).includes('g-known')
        ? hello
        : { status: 404, json: { detail: 'Gizmo not found' } },
  });
  const gptsUrl = await start(t, [gpts]);
  await ask(clientOf(gptsUrl), { model: 'gpt-4-gizmo-g-known' });
  t.match(gpts.to('/conversation')[0]?.body, {
    model: 'gpt-4o',
    conversation_mode: { kind: 'gizmo_interaction', gizmo_id: 'g-known' },
  });
  await t.rejects(ask(clientOf(gptsUrl), { model: 'gpt-4-gizmo-g-gone' }), { ...unknown, message: /g-gone/ });
});
