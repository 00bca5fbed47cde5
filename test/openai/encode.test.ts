import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import t from 'tap';
import { ChunkEncoder } from '../../src/openai/chunk.ts';
import { createCompletionId } from '../../src/openai/completion-id.ts';
import { toCompletion } from '../../src/openai/completion.ts';
import {
  findModel,
  isFixedName,
  listModels,
  listModelsForCodex,
  resolveModel,
} from '../../src/openai/models.ts';
import { countPromptTokens, toUsage } from '../../src/openai/usage.ts';
import type { TurnMessage } from '../../src/conversation/turn.ts';
import { FrameBatch } from '../../src/sse/frame-batch.ts';
import { loadTokenizer } from '../../src/tokens/tokenizer.ts';

const HEAD = { id: 'chatcmpl-abc', created: 1715367049, model: 'gpt-4o-2024-05-13' };
const NO_IDS = { conversationId: null, messageId: null };

/** The bodies below are written out as the real API sends them: same fields, same order. */
const BASE =
  '{"id":"chatcmpl-abc","object":"chat.completion.chunk","created":1715367049,"model":"gpt-4o-2024-05-13",' +
  '"system_fingerprint":null,';
const USAGE =
  '{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,' +
  '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},' +
  '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,' +
  '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}';

/** The JSON of a text chunk. */
function textOf(chunks: ChunkEncoder, index: number, text: string): string {
  const batch = new FrameBatch();
  batch.addString(chunks.textFrame(index), text);
  return Buffer.from(batch.bytes).toString().slice('data: '.length, -'\n\n'.length);
}

t.test('the chunks of a stream', (t) => {
  const chunks = new ChunkEncoder(HEAD, false);
  t.equal(
    chunks.role(0),
    `${BASE}"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}`,
  );
  t.equal(
    textOf(chunks, 1, 'say "hi"\n\u2028'),
    `${BASE}"choices":[{"index":1,"delta":{"content":"say \\"hi\\"\\n\u2028"},"logprobs":null,"finish_reason":null}]}`,
  );
  t.equal(
    chunks.reasoning(0, 'hm'),
    `${BASE}"choices":[{"index":0,"delta":{"reasoning_content":"hm"},"logprobs":null,"finish_reason":null}]}`,
  );
  t.equal(
    chunks.finish(0, 'length'),
    `${BASE}"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}`,
  );
  t.end();
});

t.test('usage: null in every chunk, then in one of its own', (t) => {
  const chunks = new ChunkEncoder(HEAD, true);
  for (const chunk of [chunks.role(0), textOf(chunks, 0, 'a'), chunks.finish(0, 'stop')]) {
    t.ok(chunk.endsWith('}],"usage":null}'), chunk);
  }
  t.equal(chunks.usage(toUsage(9, 12)), `${BASE}"choices":[],"usage":${USAGE}}`);
  t.end();
});

t.test('ids of a kept chat stand in the chunks of their choice', (t) => {
  const chunks = new ChunkEncoder(HEAD, true);
  chunks.keep(0, { conversationId: 'c"0', messageId: 'm0' });
  chunks.keep(1, { conversationId: 'c1', messageId: null });
  t.match(JSON.parse(textOf(chunks, 0, 'a')), { conversation_id: 'c"0', message_id: 'm0', usage: null });
  t.match(JSON.parse(textOf(chunks, 1, 'a')), { conversation_id: 'c1', message_id: undefined });
  t.match(JSON.parse(textOf(chunks, 2, 'a')), { conversation_id: undefined });
  t.match(JSON.parse(chunks.usage(toUsage(1, 1))), { conversation_id: 'c"0', choices: [] });
  chunks.keep(0, { conversationId: 'c"0', messageId: 'm9' });
  t.match(JSON.parse(chunks.finish(0, 'stop')), { conversation_id: 'c"0', message_id: 'm9' });
  chunks.keep(0, NO_IDS);
  t.match(JSON.parse(chunks.finish(0, 'stop')), { conversation_id: undefined });
  t.end();
});

t.test("the SDK's stream helper puts the chunks together", async (t) => {
  const chunks = new ChunkEncoder(HEAD, true);
  const both = [
    chunks.role(0),
    chunks.role(1),
    textOf(chunks, 0, 'Hel'),
    textOf(chunks, 1, 'Hi'),
    textOf(chunks, 0, 'lo'),
  ];
  const ends = [chunks.finish(1, 'stop'), chunks.finish(0, 'length'), chunks.usage(toUsage(9, 12))];
  const body = new Blob([...both, ...ends].map((line) => `${line}\n`)).stream();
  const answer = await ChatCompletionStream.fromReadableStream(body).finalChatCompletion();
  t.match(answer, {
    ...HEAD,
    object: 'chat.completion',
    choices: [
      { index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, finish_reason: 'length' },
      { index: 1, message: { role: 'assistant', content: 'Hi', refusal: null }, finish_reason: 'stop' },
    ],
    usage: { total_tokens: 21 },
  });
});

t.test('an answer in one body', (t) => {
  const choices = [
    { text: 'Hi', reasoning: '', reason: 'stop' as const },
    { text: '', reasoning: '', reason: 'length' as const },
  ];
  const body = toCompletion(HEAD, choices, toUsage(9, 12), null);
  const choice = (index: number, content: string, reason: string): string =>
    `{"index":${index},"message":{"role":"assistant","content":"${content}","refusal":null},` +
    `"logprobs":null,"finish_reason":"${reason}"}`;
  t.equal(
    JSON.stringify(body),
    '{"id":"chatcmpl-abc","object":"chat.completion","created":1715367049,"model":"gpt-4o-2024-05-13",' +
      `"choices":[${choice(0, 'Hi', 'stop')},${choice(1, '', 'length')}],"usage":${USAGE},"system_fingerprint":null}`,
  );
  const kept = toCompletion(HEAD, choices, toUsage(1, 1), { conversationId: 'c', messageId: 'm' });
  t.match(kept, { conversation_id: 'c', message_id: 'm' });
  t.notOk('message_id' in toCompletion(HEAD, choices, toUsage(1, 1), NO_IDS));
  const thought = toCompletion(
    HEAD,
    [{ text: 'Hi', reasoning: 'Hm', reason: 'stop' }],
    toUsage(1, 2, 3),
    null,
  );
  t.match(thought.choices[0]?.message, { content: 'Hi', reasoning_content: 'Hm' });
  t.match(thought.usage, {
    completion_tokens: 5,
    total_tokens: 6,
    completion_tokens_details: { reasoning_tokens: 3 },
  });
  t.notOk('reasoning_content' in (body.choices[0]?.message ?? {}));
  t.end();
});

t.test('ids look like the real ones and differ', (t) => {
  const ids = new Set(Array.from({ length: 1000 }, () => createCompletionId(Math.random)));
  t.equal(ids.size, 1000);
  for (const id of ids) if (!/^chatcmpl-[A-Za-z0-9]{29}$/.test(id)) t.fail(id);
  t.equal(createCompletionId(() => 0.999999999).length, 38);
  t.end();
});

t.test('model names, by the rule of the first match', (t) => {
  const free = 'text-davinci-002-render-sha';
  const cases: [string, string, string | null, string, string][] = [
    ['gpt-3.5-turbo', free, null, 'gpt-3.5-turbo-0125', 'cl100k_base'],
    ['gpt-3.5-turbo-16k', free, null, 'gpt-3.5-turbo-16k-0613', 'cl100k_base'],
    ['gpt-4', 'gpt-4', null, 'gpt-4-0613', 'cl100k_base'],
    ['gpt-4-turbo', 'gpt-4', null, 'gpt-4-turbo-2024-04-09', 'cl100k_base'],
    ['gpt-4-mobile', 'gpt-4-mobile', null, 'gpt-4-mobile', 'cl100k_base'],
    ['gpt-4o', 'gpt-4o', null, 'gpt-4o-2024-05-13', 'o200k_base'],
    ['chatgpt-4o-latest', 'gpt-4o', null, 'chatgpt-4o-latest', 'o200k_base'],
    ['gpt-4o-mini', 'gpt-4o-mini', null, 'gpt-4o-mini-2024-07-18', 'o200k_base'],
    ['gpt-4.1', 'gpt-4', null, 'gpt-4.1', 'o200k_base'],
    ['gpt-4-gizmo-g-abc123', 'gpt-4o', 'g-abc123', 'gpt-4-gizmo-g-abc123', 'o200k_base'],
    ['gpt-4-gizmo-', 'gpt-4o', null, 'gpt-4-gizmo-', 'o200k_base'],
    ['auto', 'auto', null, 'auto', 'o200k_base'],
    ['claude-3-opus', free, null, 'claude-3-opus', 'o200k_base'],
    ['__proto__', free, null, '__proto__', 'o200k_base'],
  ];
  for (const [name, slug, gizmoId, responseModel, encoding] of cases) {
    t.same(resolveModel(name), { slug, gizmoId, responseModel, encoding }, name);
  }
  t.end();
});

t.test("an account's own slugs are used as they are, but for names that mean the same to all", (t) => {
  const own = ['gpt-4', 'gpt-4-0613', 'o1', 'gpt-4o-canmore', 'gpt-4-gizmo-g-1', 'gpt-3.5-turbo'];
  t.match(resolveModel('o1', own), { slug: 'o1', gizmoId: null, responseModel: 'o1' });
  t.match(resolveModel('gpt-4o-canmore', own), { slug: 'gpt-4o-canmore' });
  t.match(resolveModel('gpt-4o-canmore'), { slug: 'gpt-4o' });
  t.match(resolveModel('gpt-4-0613', own), { slug: 'gpt-4' });
  t.match(resolveModel('gpt-3.5-turbo', own), { slug: 'text-davinci-002-render-sha' });
  t.match(resolveModel('gpt-4-gizmo-g-1', own), { slug: 'gpt-4o', gizmoId: 'g-1' });
  t.strictSame(['gpt-4', 'gpt-4-0613', 'gpt-4-gizmo-g-1', 'o1', 'toString'].map(isFixedName), [
    true,
    true,
    true,
    false,
    false,
  ]);
  const ids = listModels(own).data.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'none twice');
  t.ok(ids.includes('o1') && ids.includes('gpt-4o-mini'));
  t.match(findModel('o1', own), { id: 'o1', object: 'model', created: 0, owned_by: 'openai' });
  t.equal(findModel('o1'), null);
  t.strictSame(
    listModelsForCodex(own).models.map((model) => (model as { slug: string }).slug),
    ids,
  );
  t.end();
});

t.test('the list of models, and each of them alone', (t) => {
  const list = listModels();
  t.equal(list.object, 'list');
  for (const card of list.data) {
    t.same(Object.keys(card), ['id', 'object', 'created', 'owned_by']);
    t.ok(Number.isInteger(card.created));
    t.equal(findModel(card.id), card);
  }
  t.equal(findModel('nonsense'), null);
  t.equal(findModel('constructor'), null);
  t.end();
});

t.test("prompt tokens by OpenAI's rule", async (t) => {
  const tokenizer = await loadTokenizer('cl100k_base');
  let breaths = 0;
  const breathe = (): Promise<void> => {
    breaths += 1;
    return breaths > 3 ? Promise.reject(new Error('nobody waits any more')) : Promise.resolve();
  };
  t.equal(
    await countPromptTokens(
      [{ role: 'user', parts: [{ type: 'text', text: 'hello world' }] }],
      tokenizer,
      breathe,
    ),
    9,
  );
  const jargon =
    'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.';
  const dialogue: TurnMessage[] = [
    {
      role: 'system',
      parts: [{ type: 'text', text: jargon }],
    },
    { role: 'user', parts: [{ type: 'text', text: 'hello world' }] },
  ];
  t.equal(await countPromptTokens(dialogue, tokenizer, breathe), 9 + 4 + tokenizer.count(jargon));
  t.equal(
    await countPromptTokens(
      [{ role: 'user', parts: [{ type: 'text', text: '<|im_start|>' }] }],
      tokenizer,
      breathe,
    ),
    13,
  );
  t.equal(breaths, 0);
  const long = 'word '.repeat(8000);
  const counted = await countPromptTokens(
    [{ role: 'user', parts: [{ type: 'text', text: long }] }],
    tokenizer,
    breathe,
  );
  t.equal(counted, 7 + tokenizer.count(long));
  t.equal(breaths, 2, 'other work runs in between');
  await t.rejects(
    countPromptTokens([{ role: 'user', parts: [{ type: 'text', text: long }] }], tokenizer, breathe),
    /nobody waits/,
  );
});
