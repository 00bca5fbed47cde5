import t from 'tap';
import {
  answersOf,
  bytesOf,
  deltasOf,
  lastDocuments,
  parseData,
  startSandbox,
  type BackendClient,
} from './backend-client.ts';
import { reduceDeltas } from './delta-reducer.ts';

const V1 = { supported_encodings: ['v1'] };
const NOW_MS = 1_720_000_000_000;

interface Shown {
  readonly id: string;
  readonly author: { readonly role: string; readonly name: string | null };
  readonly recipient: string;
  readonly channel: string | null;
  readonly status: string;
  readonly end_turn: boolean | null;
  readonly weight: number;
  readonly content: Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
}

type Part = Record<string, unknown>;

interface Readable {
  readonly current_node: string;
  readonly mapping: Readonly<Record<string, { readonly message: Shown; readonly parent: string }>>;
}

t.test('a drawing is asked of a tool, comes finished, and has bytes', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.accountChat('Draw me a cat, please.');
  const [, , call, picture, advice, answer] = lastMessages(reply.body);
  t.match(call, { recipient: 'dalle.text2im', end_turn: false, status: 'finished_successfully' });
  t.match(JSON.parse(textOf(call)), { prompt: 'a cat, please', n: 1 });
  t.match(picture, { author: { role: 'tool', name: 'dalle.text2im' }, end_turn: null });
  t.equal(messagesOf(reply.body).filter(({ id }) => id === picture?.id).length, 1, 'shown once');
  t.match(advice, { author: { role: 'tool' }, content: { content_type: 'text' } });
  t.match(answer, { author: { role: 'assistant' }, recipient: 'all', end_turn: true });

  const [part] = partsOf(picture);
  t.match(part, { asset_pointer: /^file-service:\/\/file-/, width: 256, metadata: { dalle: { seed: 7 } } });
  const id = String(part?.['asset_pointer']).replace('file-service://', '');
  const bytes = bytesOf(await download(client, `/files/${id}/download`));
  t.equal(bytes.length, part?.['size_bytes']);
  t.equal(bytes.toString('latin1', 0, 4), '\x89PNG');
  t.same([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [256, 256]);
  const others = await client.accountChat('draw 3 pictures of dogs');
  t.equal(partsOf(lastMessages(others.body)[3]).length, 3);
});

t.test('drawing takes a model that can, or the button', async (t) => {
  const client = await startSandbox(t);
  const draws = async (fields: object): Promise<boolean> =>
    (await client.accountChat('Draw a cat', fields)).body.includes('image_asset_pointer');
  t.equal(await draws({ model: 'text-davinci-002-render-sha' }), false);
  t.equal(await draws({ model: 'gpt-4o-mini' }), true);
  t.equal(await draws({ model: 'gpt-4' }), true);
  t.equal(await draws({ model: 'text-davinci-002-render-sha', system_hints: ['picture_v2'] }), true);
  t.match((await client.chat('Draw a cat', { model: 'gpt-4' })).body, 'image_asset', 'visitors too');
});

t.test('the later image tool shows its picture as it grows', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ flow: 'image_generation' });
  const reply = await client.accountChat('draw a dog', { history_and_training_disabled: false });
  const tool = messagesOf(reply.body).filter(({ author }) => author.name === 't2uay3k.sj1i4kz');
  t.same(
    tool.map(({ status }) => status),
    ['in_progress', 'in_progress', 'in_progress', 'finished_successfully'],
  );
  const parts = tool.map(({ content }) => (content['parts'] as Part[])[0]);
  t.match(parts[0], {
    asset_pointer: /^sediment:\/\/file_/,
    height: 256,
    metadata: { generation: { height: 64 } },
  });
  t.match(parts.at(-1), { metadata: { generation: { height: 256 } } });
  const conversation = String(parseData(reply.body)[0]?.['conversation_id']);
  const id = String(parts.at(-1)?.['asset_pointer']).replace('sediment://', '');
  const path = `/conversation/${conversation}/attachment/${id}/download`;
  t.equal(bytesOf(await download(client, path)).length, parts.at(-1)?.['size_bytes']);
  t.equal((await client.account('GET', path.replace(conversation, 'other'))).status, 404);
});

t.test('code grows, its output grows, and its files can be had', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.accountChat('plot the squares');
  const [, , aside, code, output, answer] = lastMessages(reply.body);
  t.match(aside, { recipient: 'all', end_turn: false, content: { parts: [/run a little code/] } });
  t.match(code, {
    recipient: 'python',
    content: { content_type: 'code', language: 'unknown', text: /print/ },
  });
  t.match(output, { author: { role: 'tool', name: 'python' }, content: { text: '42\n4 rows\n' } });
  for (const message of [code, output]) {
    const texts = messagesOf(reply.body)
      .filter(({ id }) => id === message?.id)
      .map(({ content }) => String(content['text']));
    t.equal(texts[0], '');
    t.ok(texts.length > 2 && texts.every((text, index) => text.startsWith(texts[index - 1] ?? '')));
  }
  const result = output?.metadata['aggregate_result'] as { messages: Record<string, string>[] };
  t.match(result.messages[1], { message_type: 'image', image_url: /^file-service:/, width: 320 });
  const plot = result.messages[1]?.['image_url']?.replace('file-service://', '');
  t.equal(bytesOf(await download(client, `/files/${plot}/download`)).toString('latin1', 1, 4), 'PNG');

  const conversation = String(parseData(reply.body)[0]?.['conversation_id']);
  t.match(textOf(answer), '[Get](sandbox:/mnt/data/r.csv)');
  const path = (message: unknown, file = 'r.csv') =>
    `/conversation/${conversation}/interpreter/download?message_id=${String(message)}&sandbox_path=%2Fmnt%2Fdata%2F${file}`;
  const csv = await download(client, path(answer?.id));
  t.match([csv.headers['content-type'], csv.body], ['text/csv', /^n,square\n1,1\n/]);
  t.equal((await client.account('GET', path('unknown'))).status, 404);
  t.equal((await client.account('GET', path(answer?.id, 'other.csv'))).status, 404);
  t.notMatch((await client.accountChat('Run some code')).body, 'message_type":"image"');
});

t.test('browsing names its sources in the way of each encoding', async (t) => {
  const client = await startSandbox(t);
  const ask = (fields: object) => client.chat('Search the web for why ice floats.', fields);

  const legacy = await ask({});
  const [, , call, display, quote] = lastMessages(legacy.body);
  t.match(call, { recipient: 'browser', content: { text: 'search("why ice floats")' } });
  t.match(display, { content: { content_type: 'tether_browsing_display' }, metadata: { command: 'search' } });
  t.match(quote, { content: { content_type: 'tether_quote', url: /^https:/ } });
  const stands = answersOf(legacy.body).filter(({ recipient }) => recipient === 'all');
  const first = stands.findIndex(({ content }) => content.parts[0]?.includes('【0†source】'));
  t.same(stands[first]?.metadata['citations'], []);
  t.equal(
    stands[first + 1]?.content.parts[0],
    stands[first]?.content.parts[0],
    'the text waits for its citation',
  );
  t.match(stands[first + 1]?.metadata['citations'], [{ citation_format_type: 'tether_og' }]);
  const last = stands.at(-1);
  const points = Array.from(last?.content.parts[0] ?? '');
  const citations = last?.metadata['citations'] as { start_ix: number; end_ix: number }[];
  t.same(
    citations.map(({ start_ix, end_ix }) => points.slice(start_ix, end_ix).join('')),
    ['【0†source】', '【1†source】', '【2†source】'],
  );

  const v1 = await ask(V1);
  t.notMatch(v1.body, '†source');
  const patches = deltasOf(v1.body).filter(({ o, v }) => o === 'patch' || Array.isArray(v));
  const mark = '\ue200cite\ue202turn0search0\ue201';
  t.match(patches[1]?.v, [
    { p: '/message/content/parts/0', o: 'append', v: mark },
    { p: '/message/metadata/content_references', o: 'append', v: [{ matched_text: mark, type: 'hidden' }] },
  ]);
  t.match(patches[2]?.v, [
    { p: '/message/metadata/content_references/0/type', o: 'replace', v: 'grouped_webpages' },
    { p: '/message/metadata/content_references/0/items', o: 'add', v: [{ url: /^https:/ }] },
  ]);
});

t.test('thoughts come before the answer and on channels of their own', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.accountChat('Think about rivers', { ...V1, model: 'o3-mini' });
  const [, , thoughts, aside, recap, answer] = reducedMessages(reply.body);
  t.match(thoughts?.content, {
    content_type: 'thoughts',
    thoughts: [{ summary: 'Reading the question' }, {}],
  });
  t.match(aside, { channel: 'analysis', recipient: 'all', end_turn: false });
  t.match(recap?.content, { content_type: 'reasoning_recap', content: 'Thought for 4 seconds' });
  t.match(answer, { channel: 'final', end_turn: true, metadata: { model_slug: 'o3-mini' } });

  const older = lastMessages((await client.accountChat('think about rivers', { model: 'o1-preview' })).body);
  t.match(older[2], {
    author: { role: 'tool' },
    metadata: { initial_text: 'Thinking', finished_text: 'Thought for 4 seconds', model_slug: 'o1-preview' },
  });
});

t.test('a late drawing is promised in the stream and found in the conversation', async (t) => {
  let now = NOW_MS;
  const client = await startSandbox(t, { now: () => now });
  const read = async (id: string, authorization?: string) => {
    const reply = await client.account('GET', `/conversation/${id}`, undefined, authorization);
    return { status: reply.status, ...(JSON.parse(reply.body) as Readable) };
  };
  for (const history_and_training_disabled of [false, true]) {
    await client.scenario({ flow: 'late_drawing', drawingMs: 1_000 });
    const reply = await client.accountChat('draw a dog', { history_and_training_disabled });
    const [system, question, call, promise, ...others] = lastMessages(reply.body);
    t.same(others, []);
    t.match(reply.body, /data: \[DONE\]\n\n$/);
    t.match(promise, {
      author: { role: 'tool' },
      metadata: { image_gen_async: true, async_task_type: 'image_gen' },
    });
    const { conversation_id: id } = parseData(reply.body)[0] as { conversation_id: string };
    const early = await read(id);
    const path = [system, question, call, promise].map((message) => message?.id);
    t.equal(early.current_node, promise?.id);
    t.strictSame(Object.keys(early.mapping).slice(1), path);
    t.match(early.mapping[String(call?.id)], {
      parent: question?.id,
      children: [promise?.id],
      message: call,
    });
    now += 1_000;
    const late = await read(id);
    const picture = late.mapping[late.current_node];
    t.match(picture, { parent: promise?.id, message: { status: 'finished_successfully' } });
    const [part] = partsOf(picture?.message);
    t.match(part, { asset_pointer: /^sediment:\/\/file_/ });
    const file = String(part?.['asset_pointer']).replace('sediment://', '');
    t.equal(
      bytesOf(await download(client, `/conversation/${id}/attachment/${file}/download`)).length,
      part?.['size_bytes'],
    );
    t.equal((await read(id, 'Bearer eyJhbGciOi.another.x')).status, 404, 'its owner only');
    await client.scenario({ at: 'reading', error: 'conversation_not_found' });
    t.equal((await read(id)).status, 404);
  }
  const plain = { accept: '*/*', authorization: 'Bearer eyJhbGciOi.x.y' };
  t.equal(
    (await client.call('GET', '/backend-api/conversation/x', plain)).status,
    403,
    'headers are checked',
  );
});

t.test('both encodings of every flow end in the same messages', async (t) => {
  const client = await startSandbox(t, { now: () => NOW_MS });
  const flows = [
    'text',
    'drawing',
    'image_generation',
    'late_drawing',
    'code',
    'plot',
    'tool_error',
    'thinking',
    'tool_thinking',
    'canvas',
    'memory',
    'hidden',
    'two_messages',
    'second_thoughts',
    'moderation',
  ];
  for (const flow of flows) {
    const play = async (fields: object): Promise<string> => {
      await client.call('POST', '/__sandbox/reset');
      await client.scenario({ flow });
      return (await client.accountChat('anything at all', fields)).body;
    };
    const expected = lastDocuments(await play({}));
    const deltas = deltasOf(await play(V1));
    for (const resets of [false, true]) {
      const reduced = [...reduceDeltas(deltas, resets).values()];
      if (flow === 'second_thoughts') t.equal(textsOf(reduced).at(-1), 'Ice floats.', flow);
      else t.same(reduced, expected, flow);
    }
  }
});

t.test('an answer can take back what it said', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.chat('Change your mind', V1);
  t.ok(deltasOf(reply.body).some(({ o, v }) => o === 'truncate' && v === 'Ice floats'.length));
});

t.test('the smaller flows answer to prompts', async (t) => {
  const client = await startSandbox(t);
  const shown = async (prompt: string): Promise<readonly Shown[]> =>
    lastMessages((await client.chat(prompt)).body);
  t.match((await shown('write it in a canvas'))[2], { recipient: 'canmore.create_textdoc' });
  t.match((await shown('Remember that I like tea'))[2], { recipient: 'bio' });
  t.match((await shown('run code that fails'))[3], {
    content: { content_type: 'system_error', name: String },
  });
  const hidden = await shown('What do you know about me?');
  t.equal(
    hidden.filter(({ metadata }) => metadata['is_visually_hidden_from_conversation'] === true).length,
    4,
  );
  t.notMatch(textOf(hidden.at(-1)), 'SECRET');
  t.match(await shown('answer in two messages'), [{}, {}, { end_turn: false }, { end_turn: true }]);
  t.match(parseData((await client.chat('say something forbidden')).body).at(-1), { type: 'moderation' });
  t.match((await client.chat('x', { system_hints: ['search'] })).body, '†source');
  t.match((await client.chat('x', { system_hints: ['reason'] })).body, 'reasoning_recap');
});

t.test('a script is played as it stands, and what it mentions has bytes', async (t) => {
  const client = await startSandbox(t);
  const image = {
    content_type: 'image_asset_pointer',
    asset_pointer: 'sediment://file_mine',
    width: 3,
    height: 2,
  };
  await client.scenario({
    script: [
      { message: { id: 'a', content: { content_type: 'text', parts: ['Hel'] } } },
      { message: { content: { content_type: 'text', parts: ['Hello (sandbox:/mnt/data/x.bin)'] } } },
      { event: { type: 'odd', number: 1 } },
      { event: 'only here', only: 'v1' },
      {
        message: {
          id: 't',
          author: { role: 'tool', name: 'draws' },
          content: { content_type: 'multimodal_text', parts: [image] },
        },
      },
      { message: { id: 'a', status: 'finished_successfully', end_turn: true } },
    ],
  });
  const reply = await client.accountChat('anything', V1);
  t.same(
    reducedMessages(reply.body).map(({ id, status }) => [id, status]),
    [
      ['a', 'finished_successfully'],
      ['t', 'in_progress'],
    ],
  );
  t.match(reply.body, 'data: {"type":"odd","number":1}\n\ndata: "only here"');
  const legacy = await client.accountChat('anything');
  t.equal(parseData(legacy.body).length, 5);
  t.notMatch(legacy.body, 'only here');
  t.equal(bytesOf(await download(client, '/files/file_mine/download')).readUInt32BE(16), 3);
  const conversation = String(parseData(legacy.body)[0]?.['conversation_id']);
  const path = `/conversation/${conversation}/interpreter/download?message_id=a&sandbox_path=/mnt/data/x.bin`;
  t.equal((await download(client, path)).body, 'the bytes of x.bin\n');
});

/** Asks for a link and follows it with no header at all. */
async function download(client: BackendClient, path: string) {
  const reply = await client.account('GET', path);
  const { status, download_url } = JSON.parse(reply.body) as { status: string; download_url: string };
  t.equal(status, 'success', path);
  return client.call('GET', download_url.replace(/^http:\/\/[^/]+/, ''));
}

function messagesOf(body: string): readonly Shown[] {
  return parseData(body).flatMap((data) => (data['message'] ? [data['message'] as Shown] : []));
}

function lastMessages(body: string): readonly Shown[] {
  return lastDocuments(body).map((document) => (document as { message: Shown }).message);
}

function reducedMessages(body: string): readonly Shown[] {
  return [...reduceDeltas(deltasOf(body), false).values()].map(
    (document) => (document as { message: Shown }).message,
  );
}

function partsOf(message: Shown | undefined): readonly Part[] {
  return (message?.content['parts'] ?? []) as Part[];
}

function textOf(message: Shown | undefined): string {
  return String((message?.content['parts'] as unknown[] | undefined)?.[0]);
}

function textsOf(documents: readonly unknown[]): readonly string[] {
  return documents.map((document) => textOf((document as { message: Shown }).message));
}
