import { randomUUID } from 'node:crypto';
import t from 'tap';
import {
  ACCESS_TOKEN,
  ANON,
  API,
  answersOf,
  BackendClient,
  deltasOf,
  finalText,
  parseData,
  startSandbox,
  turn,
  type Granted,
  type Reply,
} from './backend-client.ts';
import { reduceDeltas } from './delta-reducer.ts';

const KEPT = { history_and_training_disabled: false };
const OTHER = 'Bearer eyJhbGciOi.other.x';

/** Where the next question of a conversation goes. */
interface Place {
  readonly conversation_id: string;
  readonly parent_message_id: string;
}

t.test('a kept chat goes on where it was', async (t) => {
  const client = await startSandbox(t);
  const first = await client.accountChat('say exactly: one', KEPT);
  const second = await client.accountChat('What did I say?', { ...KEPT, ...placeOf(first) });
  t.equal(finalText(second.body), 'You said: “say exactly: one”');
  t.equal(placeOf(second).conversation_id, placeOf(first).conversation_id);
  const branch = await client.accountChat('say exactly: two', { ...KEPT, ...placeOf(first) });
  t.equal(branch.status, 200, 'an earlier message can be answered again');
});

t.test('what cannot be continued is not found', async (t) => {
  const client = await startSandbox(t);
  const kept = placeOf(await client.accountChat('hi', KEPT));
  const temporary = placeOf(await client.accountChat('hi'));
  const question = (turn('hi')['messages'] as object[])[0];
  const refused: [object, string?][] = [
    [{ ...kept, conversation_id: randomUUID() }],
    [{ ...kept, parent_message_id: randomUUID() }],
    [temporary],
    [kept, OTHER],
    [{ ...kept, action: 'continue', messages: undefined }],
    [{ ...kept, action: 'variant', messages: [{ ...question, id: randomUUID() }] }],
  ];
  for (const [fields, authorization] of refused) {
    const reply = await client.accountChat('hi', { ...KEPT, ...fields }, authorization);
    t.match([reply.status, reply.body], [404, /"code":"conversation_not_found"/], JSON.stringify(fields));
  }
  t.equal((await client.accountChat('hi', { ...KEPT, ...kept })).status, 200);
});

t.test('a cut answer goes on in a temporary chat too', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ answer: ['one ', 'two'], finish: 'max_tokens', times: 1 });
  const place = placeOf(await client.accountChat('hi'));
  const more = await client.accountChat('', { ...place, action: 'continue', messages: undefined });
  t.equal(finalText(more.body), 'one two');
});

t.test('an anonymous visitor goes on under another device id', async (t) => {
  const client = await startSandbox(t);
  const place = placeOf(await client.chat('hi', KEPT));
  const other = new BackendClient(client.port);
  t.equal((await other.chat('hi', { ...KEPT, ...place })).status, 200);
  t.equal((await client.accountChat('hi', { ...KEPT, ...place })).status, 404);
});

t.test('a question can be answered once more', async (t) => {
  const client = await startSandbox(t);
  const question = turn('say exactly: again', KEPT);
  const first = await client.accountChat('', question);
  const again = await client.accountChat('', {
    ...question,
    action: 'variant',
    conversation_id: placeOf(first).conversation_id,
  });
  t.match(answersOf(again.body).at(-1), {
    content: { parts: ['again'] },
    metadata: { message_type: 'variant' },
  });
  t.not(placeOf(again).parent_message_id, placeOf(first).parent_message_id);
});

t.test('a cut answer with sources goes on in both encodings', async (t) => {
  const client = await startSandbox(t);
  const prompt = 'Search the web for ice';
  const whole = finalText((await client.accountChat(prompt)).body) ?? '';
  for (const encodings of [[], ['v1']]) {
    await client.scenario({ finish: 'max_tokens', times: 1 });
    const first = await client.accountChat(prompt, KEPT);
    t.ok(whole.startsWith(finalText(first.body) ?? 'no text'));
    const more = {
      ...KEPT,
      ...placeOf(first),
      action: 'continue',
      messages: undefined,
      supported_encodings: encodings,
    };
    const reply = await client.accountChat('', more);
    const text = encodings.length === 0 ? finalText(reply.body) : reducedText(reply.body);
    t.equal(
      text?.replaceAll(/[\ue200\u3010][^\ue201\u3011]*./gu, '*'),
      whole.replaceAll(/\u3010[^\u3011]*./gu, '*'),
    );
  }
});

t.test('the model that answers is named', async (t) => {
  const client = await startSandbox(t);
  const answeredBy = (reply: Reply): unknown => answersOf(reply.body).at(-1)?.metadata['model_slug'];
  t.equal(answeredBy(await client.accountChat('hi', { model: 'gpt-4' })), 'gpt-4');
  t.equal(answeredBy(await client.accountChat('hi', { model: 'gpt-4' }, 'Bearer eyJhbGciOi.free')), 'gpt-4o');
  t.equal(answeredBy(await client.chat('hi', { model: 'gpt-4' })), 'gpt-4o-mini');
  await client.scenario({ servedModel: 'gpt-4o-mini' });
  t.equal(answeredBy(await client.accountChat('hi', { model: 'gpt-4' })), 'gpt-4o-mini');
});

t.test('only known custom GPTs answer', async (t) => {
  const client = await startSandbox(t);
  const talkTo = (gizmo_id: string) =>
    client.accountChat('hi', { conversation_mode: { kind: 'gizmo_interaction', gizmo_id } });
  const reply = await talkTo('g-sandbox');
  t.match(answersOf(reply.body).at(-1)?.metadata, { gizmo_id: 'g-sandbox' });
  t.match(await talkTo('g-unknown'), { status: 404, body: /"code":"gizmo_not_found"/ });
});

t.test('an Arkose token can be wanted for the larger models only', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ arkoseRequired: true, arkoseModels: 'gpt-4', proofRequired: false });
  const ask = async (model: string, solves: boolean): Promise<number> => {
    const granted = JSON.parse(
      (await client.requirements(API, { authorization: ACCESS_TOKEN })).body,
    ) as Granted;
    t.equal(granted.arkose.required, true);
    const arkose = { 'openai-sentinel-arkose-token': await client.arkoseToken(granted.arkose.dx) };
    const headers = {
      authorization: ACCESS_TOKEN,
      'openai-sentinel-chat-requirements-token': granted.token,
      ...(solves ? arkose : {}),
    };
    return (await client.converse(turn('hi', { model }), headers, API)).status;
  };
  t.equal(await ask('text-davinci-002-render-sha', false), 200);
  t.equal(await ask('gpt-4', false), 403);
  t.equal(await ask('gpt-4', true), 200);
});

t.test('a lenient sandbox believes what it is told of a conversation', async (t) => {
  const client = await startSandbox(t, { strict: false });
  const reply = await client.converse(turn('hi', { conversation_id: randomUUID() }), {}, ANON);
  t.equal(reply.status, 200);
});

function placeOf({ body }: Reply): Place {
  return {
    conversation_id: String(parseData(body)[0]?.['conversation_id']),
    parent_message_id: answersOf(body).at(-1)?.id ?? '',
  };
}

function reducedText(body: string): string | undefined {
  const documents = [...reduceDeltas(deltasOf(body), false).values()];
  return (documents.at(-1) as { message: { content: { parts: string[] } } }).message.content.parts[0];
}
