import t from 'tap';
import type { Test } from 'tap';
import type { CompleteTurn } from '../../src/chat/ports.ts';
import type { TurnEvent } from '../../src/conversation/events.ts';
import { createAdmission } from '../../src/http/admission.ts';
import { chatRoute } from '../../src/http/chat-route.ts';
import { loadTokenizer } from '../../src/tokens/tokenizer.ts';
import { createFindOwnOrigin } from '../../src/http/own-origin.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { createWaitingRoom } from '../../src/http/waiting-room.ts';
import { serve } from './serve.ts';

const EVENTS: TurnEvent[] = [
  { type: 'turn-start', conversationId: 'c-1', messageId: 'm-1', modelSlug: 'gpt-4o-mini' },
  { type: 'reasoning-delta', text: 'Let me' },
  { type: 'reasoning-delta', text: ' see' },
  { type: 'text-delta', text: 'Running.' },
  { type: 'block-start', kind: 'code', language: 'python' },
  { type: 'block-delta', text: 'print(6' },
  { type: 'block-delta', text: '*7)' },
  { type: 'block-end' },
  { type: 'image', link: 'https://x.example/plot.png' },
  { type: 'text-delta', text: 'Done' },
  { type: 'citation', links: [{ title: 'One', url: 'https://e.example/1' }] },
  { type: 'message-start', conversationId: 'c-1', messageId: 'm-2' },
  { type: 'turn-end', reason: 'stop' },
];
const CONTENT =
  'Running.\n\n```python\nprint(6*7)\n```\n\n![image](https://x.example/plot.png)\n\nDone ([One](https://e.example/1))';

async function edge(t: Test, historyDisabled: boolean): Promise<(body: object) => Promise<Response>> {
  const complete: CompleteTurn = async (_turn, _caller, sink) => {
    for (const event of EVENTS) if (!sink.satisfied) sink.write(event);
  };
  const route = chatRoute({
    complete,
    loadTokenizer,
    models: () => Promise.resolve(null),
    admit: createAdmission({
      keys: { find: () => null, isOpen: true },
      maxBodyBytes: 1000,
      gates: { enter: () => () => {} },
      room: createWaitingRoom({ places: 10, maxWaiting: 0, timeoutMs: 1_000 }),
      pressure: () => null,
    }),
    address: {
      findOwn: createFindOwnOrigin({ publicUrl: null, trusted: new TrustedProxies([]) }),
      prefix: '',
    },
    historyDisabled,
    uploadByUrl: false,
    slowClientTimeoutMs: 1000,
    onInternalError: (_id, error) => t.fail(String(error)),
  });
  const { port } = await serve(t, { routes: [route] });
  return (body) =>
    fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }], ...body }),
    });
}

interface Chunk {
  model: string;
  message_id?: string;
  choices: { delta: { content?: string; reasoning_content?: string } }[];
  usage?: object | null;
}

async function chunksOf(response: Response): Promise<Chunk[]> {
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice(6)) as Chunk);
}

t.test('a stream and a whole answer say the same', async (t) => {
  const ask = await edge(t, true);
  const whole = (await (await ask({})).json()) as Record<string, unknown>;
  const message = { role: 'assistant', content: CONTENT, reasoning_content: 'Let me see' };
  t.match(whole, { model: 'gpt-4o-mini', choices: [{ message, finish_reason: 'stop' }] });
  const chunks = await chunksOf(await ask({ stream: true, stream_options: { include_usage: true } }));
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
  t.equal(deltas.map(({ content }) => content ?? '').join(''), CONTENT);
  t.equal(deltas.map((delta) => delta.reasoning_content ?? '').join(''), 'Let me see');
  t.strictSame(
    chunks.map(({ model }) => model),
    chunks.map(() => 'gpt-4o-mini'),
  );
  t.strictSame(chunks.at(-1)?.usage, whole['usage']);
  const tokenizer = await loadTokenizer('o200k_base');
  t.match(whole['usage'], {
    completion_tokens: tokenizer.count(CONTENT) + tokenizer.count('Let me see'),
    completion_tokens_details: { reasoning_tokens: tokenizer.count('Let me see') },
  });
});

t.test('a limit cuts the text and not the thoughts', async (t) => {
  const ask = await edge(t, true);
  const whole = await (await ask({ max_tokens: 2 })).json();
  t.match(whole, {
    choices: [{ message: { content: 'Running.', reasoning_content: 'Let me see' }, finish_reason: 'length' }],
  });
  const stopped = await (await ask({ stop: ['```'] })).json();
  t.match(stopped, { choices: [{ message: { content: 'Running.\n\n' }, finish_reason: 'stop' }] });
});

t.test('a kept chat is named by its last message in the end', async (t) => {
  const ask = await edge(t, false);
  t.match(await (await ask({})).json(), { conversation_id: 'c-1', message_id: 'm-2' });
  const chunks = await chunksOf(await ask({ stream: true }));
  t.match(chunks[0], { conversation_id: 'c-1', message_id: 'm-1' });
  t.match(chunks.at(-1), { conversation_id: 'c-1', message_id: 'm-2' });
});
