import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { ask, askChat, chatBytes, dataOf, errorOf } from '../helpers/program.ts';
import type { ChatOptions } from '../helpers/program.ts';
import { ACCESS_TOKEN, eventually, startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

const QUESTION = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Draw me a cat' }] };
const chat = (fields: object = {}, stream = false): ChatOptions => ({
  stream,
  token: ACCESS_TOKEN,
  fields: { ...QUESTION, ...fields },
});

interface Told {
  readonly conversation_id?: string;
  readonly message_id?: string;
  readonly choices: readonly {
    readonly delta?: Message;
    readonly message?: Message;
    finish_reason: string;
  }[];
}
interface Message {
  readonly content?: string | null;
  readonly reasoning_content?: string;
}

function start(t: Test, given = {}): Promise<World> {
  return startWorld(t, { scenario: { flow: 'late_drawing', drawingMs: 500, ...given } });
}

async function bytesBehind(markdown: string): Promise<string> {
  const [, url] = /^!\[[^\]]*\]\((http[^)]+)\)$/.exec(markdown.trim()) ?? [];
  const picture = await fetch(url ?? '');
  return Buffer.from(await picture.arrayBuffer()).toString('latin1', 1, 4);
}

for (const encoding of ['legacy', 'v1'] as const) {
  t.test(`a late picture, streamed and whole: ${encoding}`, async (t) => {
    const world = await start(t, { encoding });
    const [streamed, whole] = await Promise.all([
      askChat(world.port, chat({}, true)),
      askChat(world.port, chat({ history_disabled: false })),
    ]);
    t.equal(streamed.status, 200);
    const data = dataOf(streamed.text);
    t.equal(data.at(-1), '[DONE]');
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text) as Told);
    const deltas = chunks.map(({ choices }) => choices[0]?.delta ?? {});
    t.equal(await bytesBehind(deltas.map(({ content }) => content ?? '').join('')), 'PNG');
    t.equal(deltas.map(({ reasoning_content: thought }) => thought ?? '').join(''), 'a cat');
    t.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'stop');

    t.equal(whole.status, 200);
    const told = JSON.parse(whole.text) as Told;
    t.equal(await bytesBehind(told.choices[0]?.message?.content ?? ''), 'PNG');
    await world.scenario({ flow: 'text', answer: 'A cat.' });
    const ids = { conversation_id: told.conversation_id, parent_message_id: told.message_id };
    const next = await askChat(world.port, chat({ ...ids, history_disabled: false }));
    t.match(
      JSON.parse(next.text),
      { choices: [{ message: { content: 'A cat.' } }] },
      'the chat goes on from it',
    );
    const records = (await world.requests()).flatMap(({ warnings }) => warnings);
    t.strictSame(records, [], 'the sandbox has nothing to complain about');
  });
}

t.test('images of the images route are waited for', async (t) => {
  const { port } = await start(t);
  const answer = await ask(port, {
    path: '/v1/images/generations',
    headers: { authorization: `Bearer ${ACCESS_TOKEN}` },
    body: JSON.stringify({ prompt: 'a cat', n: 2, response_format: 'b64_json' }),
  });
  t.equal(answer.status, 200);
  const { data } = JSON.parse(answer.text) as { data: { b64_json: string }[] };
  t.strictSame(
    data.map(({ b64_json: base64 }) => Buffer.from(base64, 'base64').toString('latin1', 1, 4)),
    ['PNG', 'PNG'],
  );
});

t.test('a conversation that cannot be read: an error that says what to do', async (t) => {
  const world = await start(t);
  await world.scenario({ at: 'reading', error: 'conversation_not_found', flow: 'late_drawing' });
  const [streamed, whole] = await Promise.all([
    askChat(world.port, chat({}, true)),
    askChat(world.port, chat()),
  ]);
  t.equal(whole.status, 502);
  for (const answer of [streamed, whole])
    t.match(errorOf(answer), { code: 'upstream_protocol_error', message: /history_disabled/ });
  t.notMatch(streamed.text, /\[DONE\]/);
});

t.test('a client that leaves ends the asking', async (t) => {
  const world = await start(t, { drawingMs: null });
  const readings = async (): Promise<number> =>
    (await world.requests()).filter(({ method, path }) => method === 'GET' && path.includes('/conversation/'))
      .length;
  const client = connect(world.port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(chatBytes(chat({}, true)));
  t.ok(await eventually(async () => (await readings()) > 0));
  client.destroy();
  await once(client, 'close');
  t.ok(
    await eventually(() => Promise.resolve(world.logLines.some((line) => line.includes('chat/completions')))),
  );
  const count = await readings();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.equal(await readings(), count);
});
