import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionContentPart,
} from 'openai/resources/chat/completions';
import t from 'tap';
import type { Test } from 'tap';
import { drawPicture } from '../../src/sandbox/picture.ts';
import { ACCESS_TOKEN, startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

const PNG = drawPicture('a test', 40, 30);
const CSV = 'n,square\n1,1\n2,4\n3,9\n4,16\n';

function clientOf(world: World): OpenAI {
  return new OpenAI({ baseURL: `${world.url}/v1`, apiKey: ACCESS_TOKEN, maxRetries: 0 });
}

type Content = string | ChatCompletionContentPart[];

/** What this program adds to the real API's answers. */
interface Extras {
  readonly conversation_id?: string;
  readonly message_id?: string;
}

interface Said {
  readonly content: string;
  readonly reasoning: string;
}

const asked = (content: Content) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user' as const, content }],
});

const ask = (client: OpenAI, content: Content, fields: object = {}): Promise<ChatCompletion & Extras> =>
  client.chat.completions.create({ ...asked(content), ...fields, stream: false });

function joined(parts: readonly object[]): Said {
  const of = (name: string): string =>
    parts.map((part) => ((part as Record<string, unknown>)[name] as string | undefined) ?? '').join('');
  return { content: of('content'), reasoning: of('reasoning_content') };
}

/** The same question in both ways, whose answers say the same, but for the names in links. */
async function askBoth(t: Test, client: OpenAI, content: Content): Promise<readonly Said[]> {
  const whole = await ask(client, content);
  const stream = await client.chat.completions.create({ ...asked(content), stream: true });
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const said = [
    joined(whole.choices.map(({ message }) => message)),
    joined(chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))),
  ];
  const [one, other] = said.map((each) => ({ ...each, content: each.content.replaceAll(NAMES, '') }));
  t.same(other, one, 'as a stream and as a whole');
  return said;
}

/** Of files, different each time. */
const NAMES = /\(http[^)]+|[\da-f-]{36}/g;

const linkIn = ({ content }: Said, pattern: RegExp): string => pattern.exec(content)?.[1] ?? 'none';
const IMAGE = /!\[image\]\(([^)]+)\)/;
const FILE = /\[Get\]\(([^)]+)\)/;

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

const magicOf = (bytes: Buffer): string => bytes.toString('latin1', 1, 4);

t.test('what tools make reaches the SDK', async (t) => {
  const world = await startWorld(t);
  const client = clientOf(world);
  t.beforeEach(() => world.reset());

  t.test('an image behind a link that opens', async (t) => {
    for (const flow of ['drawing', 'image_generation'] as const) {
      await world.scenario({ flow });
      for (const said of await askBoth(t, client, 'Draw a cat')) {
        t.match(said.content, /^!\[image\]\([^)]+\)\n\nHere is what you asked for: a cat\./);
        t.equal(magicOf(await download(linkIn(said, IMAGE))), 'PNG');
      }
    }
  });

  t.test('code, what it printed, its plot and its file', async (t) => {
    await world.scenario({ flow: 'plot' });
    for (const said of await askBoth(t, client, 'Plot the squares')) {
      t.match(
        said.content,
        /```python\nimport csv\n[^]+plt\.show\(\)\n```\n\n```output\n42\n4 rows\n```\n\n!/,
      );
      t.equal(magicOf(await download(linkIn(said, IMAGE))), 'PNG');
      t.equal((await download(linkIn(said, FILE))).toString(), CSV);
    }
  });

  t.test('sources as links', async (t) => {
    for (const encoding of ['legacy', 'v1'] as const) {
      await world.scenario({ flow: 'browsing', encoding });
      for (const { content } of await askBoth(t, client, 'Why does ice float?')) {
        t.match(content, 'floats ([Why ice floats](https://physics.example/ice?from=search))');
        t.notMatch(content, /[\uE200-\uE206]|\u3010/);
      }
    }
  });

  t.test('thoughts beside the answer', async (t) => {
    await world.scenario({ flow: 'thinking' });
    for (const { content, reasoning } of await askBoth(t, client, 'What is 6 * 7?')) {
      t.match(reasoning, 'The question has two halves');
      t.match(content, /\*\*42\*\*/);
      t.notMatch(content, 'two halves');
    }
  });

  t.test('an answer that upstream itself cuts arrives whole', async (t) => {
    const answer = Array.from({ length: 60 }, (_, at) => `word${at} `);
    const cut = { answer, finish: 'max_tokens', times: 1 } as const;
    await world.scenario([cut, { times: 1 }, cut, { times: 1 }]);
    for (const { content } of await askBoth(t, client, 'Tell me a story')) t.equal(content, answer.join(''));
    const actions = (await world.conversations()).map(({ body }) => (body as { action: string }).action);
    t.same(actions, ['next', 'continue', 'next', 'continue']);
  });
});

t.test('images from the images endpoint', async (t) => {
  const world = await startWorld(t);
  const client = clientOf(world);
  for (const links of ['direct', 'session'] as const) {
    await world.scenario({ links });
    const byUrl = await client.images.generate({ prompt: 'a cat', n: 2, response_format: 'url' });
    t.equal(byUrl.data?.length, 2);
    for (const { url } of byUrl.data ?? []) t.equal(magicOf(await download(url ?? '')), 'PNG');
    const inline = await client.images.generate({ prompt: 'a cat', response_format: 'b64_json' });
    const [image] = inline.data ?? [];
    t.equal(magicOf(Buffer.from(image?.b64_json ?? '', 'base64')), 'PNG');
    t.equal(image?.url, undefined);
  }
});

t.test('a link for its session only is opened by the proxy', async (t) => {
  const world = await startWorld(t, { scenario: { links: 'session' } });
  const client = clientOf(world);
  await world.scenario({ flow: 'plot', links: 'session' });
  for (const said of await askBoth(t, client, 'Plot the squares')) {
    for (const [pattern, expected] of [
      [IMAGE, 'PNG'],
      [FILE, ',sq'],
    ] as const) {
      const link = linkIn(said, pattern);
      t.ok(link.startsWith(`${world.url}/files/`), link);
      t.equal(magicOf(await download(link)), expected);
      t.equal((await fetch(`${link}x`)).status, 404, 'no other link opens');
    }
  }
  const fetched = (await world.requests()).filter(({ path }) => path.endsWith('/estuary/content'));
  t.equal(fetched.length, 4);
  for (const { path, query } of fetched) {
    const alone = await fetch(`${world.upstream}${path}?${query}`);
    t.ok(alone.status >= 400, 'upstream opens it to nobody else');
    await alone.body?.cancel();
  }
});

t.test('what the SDK sends along reaches the model', async (t) => {
  const world = await startWorld(t, { seams: { allowAddress: () => true } });
  const client = clientOf(world);
  const pictures = createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'image/png' }).end(PNG),
  );
  pictures.listen(0, '127.0.0.1');
  await once(pictures, 'listening');
  t.teardown(() => pictures.close());
  const address = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}/cat.png`;
  const inline = `data:image/png;base64,${PNG.toString('base64')}`;

  for (const url of [inline, address]) {
    const content: Content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url } },
    ];
    for (const said of await askBoth(t, client, content.slice())) {
      t.match(said.content, /^I see a 40x30 png image \(/i);
      t.match(said.content, `${PNG.length} bytes`);
    }
  }
  const file = {
    filename: 'table.csv',
    file_data: `data:text/csv;base64,${Buffer.from(CSV).toString('base64')}`,
  };
  for (const fileIds of ['file-service', 'sediment'] as const) {
    await world.scenario({ fileIds });
    const { choices } = await ask(client, [
      { type: 'file', file },
      { type: 'text', text: 'Read this.' },
    ]);
    t.match(choices[0]?.message.content, `.csv (text/csv, ${CSV.length} bytes)`);
  }
  const warnings = (await world.requests()).flatMap((record) => record.warnings);
  t.same(warnings, [], 'and upstream minds nothing');
});

t.test('a kept chat goes on with what was said', async (t) => {
  const world = await startWorld(t, { env: { HISTORY_DISABLED: 'false' } });
  const client = clientOf(world);
  const first = await ask(client, 'Remember the word walrus');
  t.match(first, { conversation_id: /./, message_id: /./ });
  const fields = { conversation_id: first.conversation_id, parent_message_id: first.message_id };
  const second = await ask(client, 'What did I just say?', fields);
  t.match(second.choices[0]?.message.content, 'Remember the word walrus');
  t.equal(second.conversation_id, first.conversation_id);
  t.not(second.message_id, first.message_id);
  const third = await ask(client, 'What did I just say?', { conversation_id: first.conversation_id });
  t.match(third.choices[0]?.message.content, 'What did I just say?', 'the parent may be left out');
});
