import fc from 'fast-check';
import t from 'tap';
import { composeAnswer } from '../../src/sandbox/answers.ts';
import { encodeDelta } from '../../src/sandbox/delta-stream.ts';
import { findChanges } from '../../src/sandbox/document-changes.ts';
import { cutIntoPieces } from '../../src/sandbox/pieces.ts';
import type { Message, Script, Step } from '../../src/sandbox/script.ts';
import {
  answersOf,
  deltasOf,
  finalText,
  lastDocuments,
  parseData,
  parseEvents,
  startSandbox,
  turn,
  until,
  type BackendClient,
} from './backend-client.ts';
import { reduceDeltas } from './delta-reducer.ts';

const KEPT = { history_and_training_disabled: false };
const V1 = { supported_encodings: ['v1'] };
/** Japanese, an accent, an astronaut of three signs, a flag of two letters. */
const UNICODE = '日本語 é 👩‍🚀 🇯🇵 fin';

t.test('a legacy stream shows each message whole, in the order of the backend', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.chat('say exactly: Hello there, friend!', {
    history_and_training_disabled: false,
  });
  t.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8');
  t.ok(reply.body.endsWith('\n\ndata: [DONE]\n\n'));

  const [system, echo, opening, ...rest] = parseData(reply.body);
  t.match(system, {
    message: {
      author: { role: 'system' },
      status: 'finished_successfully',
      end_turn: true,
      weight: 0,
      metadata: { is_visually_hidden_from_conversation: true },
    },
    error: null,
  });
  t.match(echo, { message: { id: '11111111-1111-4111-8111-111111111111', author: { role: 'user' } } });
  t.match(opening, { message: { status: 'in_progress', content: { parts: [''] }, end_turn: null } });
  const answers = answersOf(reply.body);
  t.same(
    answers.map((message) => message.content.parts[0]),
    [
      '',
      'Hello',
      'Hello there',
      'Hello there,',
      'Hello there, friend',
      'Hello there, friend!',
      'Hello there, friend!',
    ],
  );
  t.match(answers.at(-1), {
    status: 'finished_successfully',
    end_turn: true,
    metadata: { finish_details: { type: 'stop' }, is_complete: true },
  });
  t.match(rest.at(-2), { is_completion: true, moderation_response: { blocked: false } });
  t.notOk(Object.hasOwn(rest.at(-2) ?? {}, 'type'), 'only a block has a type');
  t.match(rest.at(-1), { type: 'title_generation', title: 'say exactly: Hello there, friend!' });
});

t.test('a temporary chat and a continued one get no title', async (t) => {
  const client = await startSandbox(t);
  t.notMatch((await client.chat('hi')).body, 'title_generation');
  const first = await client.chat('hi', KEPT);
  t.match(first.body, 'title_generation');
  const conversation_id = parseData(first.body)[0]?.['conversation_id'];
  const parent_message_id = answersOf(first.body).at(-1)?.id;
  const second = await client.chat('hi', { ...KEPT, conversation_id, parent_message_id });
  t.notMatch(second.body, 'title_generation');
  t.equal(parseData(second.body)[0]?.['conversation_id'], conversation_id);
});

t.test('a delta stream names its encoding, then says what changes', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.chat('say exactly: Hello there!', {
    ...V1,
    history_and_training_disabled: false,
  });
  const events = parseEvents(reply.body);
  t.same(events[0], { name: 'delta_encoding', data: '"v1"' });
  const deltas = deltasOf(reply.body);
  t.match(deltas[0], { p: '', o: 'add', v: { message: { author: { role: 'system' } } }, c: 0 });
  t.same(Object.keys(deltas[1] ?? {}), ['v', 'c']);
  t.match(deltas[2], { v: { message: { author: { role: 'assistant' } } }, c: 2 });
  t.same(deltas.slice(3, 6), [
    { p: '/message/content/parts/0', o: 'append', v: 'Hello' },
    { v: ' there' },
    { v: '!' },
  ]);
  t.match(deltas[6], { p: '', o: 'patch' });
  t.same(
    parseData(reply.body)
      .map((data) => data['type'])
      .filter((type) => type !== undefined),
    [
      'message_marker',
      'server_ste_metadata',
      'message_stream_complete',
      'title_generation',
      'conversation_detail_metadata',
    ],
  );
  t.same(events.at(-1), { name: 'message', data: '[DONE]' });
});

t.test('both encodings of a turn tell the same story', async (t) => {
  const client = await startSandbox(t, { now: () => 1_720_000_000_000 });
  const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 5 }), async (answer, tokensPerEvent) => {
      const play = async (fields: object): Promise<string> => {
        await client.call('POST', '/__sandbox/reset');
        await client.scenario({ answer, tokensPerEvent });
        return (await client.chat('anything', fields)).body;
      };
      const expected = lastDocuments(await play({}));
      const deltas = deltasOf(await play(V1));
      for (const resets of [false, true]) {
        t.same([...reduceDeltas(deltas, resets).values()], expected);
      }
      t.equal((expected.at(-1) as { message: Message }).message.content['parts']?.toString(), answer);
    }),
    { numRuns: 25 },
  );
});

t.test('any two documents differ by changes that lead from one to the other', (t) => {
  const json = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
  fc.assert(
    fc.property(json, json, (before, after) => {
      const changes = findChanges(before, after);
      const items = changes.map(({ path, operation, value }) => ({ p: path, o: operation, v: value }));
      const deltas = [
        { p: '', o: 'add', v: before, c: 0 },
        { p: '', o: 'patch', v: items },
      ];
      t.same(reduceDeltas(deltas, false).get(0), after);
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('revisions of several messages in turn keep their documents apart', (t) => {
  const shape = (id: string, text: string): Step => ({
    kind: 'message',
    paced: false,
    message: { ...SAMPLE, id, content: { content_type: 'text', parts: [text] } },
  });
  const steps = [
    shape('a', ''),
    shape('a', 'x'),
    shape('b', 'y'),
    shape('a', 'xz'),
    shape('b', 'yy'),
    shape('b', 'q'),
  ];
  const script: Script = { conversationId: 'c', steps };
  const lines = [...encodeDelta(script)].flatMap((frame) => frame.lines);
  for (const resets of [false, true]) {
    const documents = [...reduceDeltas(deltasOf(`${lines.join('\n\n')}`, true), resets).values()];
    t.same(
      documents.map((document) => (document as { message: Message }).message.content['parts']),
      [['xz'], ['q']],
    );
  }
  t.end();
});

t.test('the bytes are the same however they are cut', async (t) => {
  const client = await startSandbox(t, { now: () => 1_720_000_000_000 });
  const play = async (scenario: object) => {
    await client.call('POST', '/__sandbox/reset');
    await client.scenario({ answer: UNICODE, ...scenario });
    return client.chat('anything');
  };
  const whole = await play({ chunking: 'whole' });
  for (const chunking of ['byte', 'mid-utf8', { size: 7 }, { size: 4096 }]) {
    const reply = await play({ chunking });
    t.equal(reply.body, whole.body, JSON.stringify(chunking));
    t.ok(reply.complete);
  }
  t.equal((await play({ lineEnd: 'crlf' })).body, whole.body.replaceAll('\n', '\r\n'));
  t.equal((await play({ lineEnd: 'cr' })).body, whole.body.replaceAll('\n', '\r'));
  t.ok((await play({ chunking: 'byte' })).chunks.every((chunk) => chunk.length === 1));
  const split = (await play({ chunking: 'mid-utf8' })).chunks;
  t.ok(
    split.some((chunk) => ((chunk[0] ?? 0) & 0xc0) === 0x80),
    'some chunk starts inside a character',
  );
  t.ok(
    split.some((chunk) => chunk.toString() === '\n'),
    'some chunk starts inside the end of an event',
  );
});

t.test('streams break in every way that is asked for', async (t) => {
  const client = await startSandbox(t);
  const play = async (scenario: object) => {
    await client.scenario({ answer: 'one two three four five six', ...scenario });
    const reply = await client.chat('anything');
    return { ...reply, events: parseEvents(reply.body), record: (await client.records()).at(-1) };
  };

  const cut = await play({ cutAfterEvents: 4 });
  t.equal(cut.complete, false);
  t.equal(cut.events.length, 4);
  t.match(cut.record, { outcome: 'cut', aborted: false, events: 4 });

  const torn = await play({ cutMidEvent: 4 });
  t.equal(torn.complete, false);
  t.equal(torn.events.length, 5);
  t.throws(() => JSON.parse(torn.events[4]?.data ?? ''));

  const ended = await play({ endAfterEvents: 5 });
  t.match([ended.complete, ended.events.length], [true, 5]);

  const open = await play({ endWithoutDone: true });
  t.match([open.complete, finalText(open.body)], [true, 'one two three four five six']);
  t.notMatch(open.body, '[DONE]');

  const failed = await play({ errorEventAfter: 5 });
  t.match(JSON.parse(failed.events[5]?.data ?? ''), { message: null, error: /unusual activity/ });
  t.match(failed.events.map(({ data }) => data).slice(6), ['[DONE]']);

  const spoiled = await play({ garbageAfter: 5 });
  t.throws(() => JSON.parse(spoiled.events[5]?.data ?? ''));
  t.equal(spoiled.events.at(-1)?.data, '[DONE]');
  const binary = await play({ garbageAfter: 5, garbage: 'binary' });
  t.ok(Buffer.concat(binary.chunks).includes(0xfe));

  await client.scenario({ resetBeforeHeaders: true });
  await t.rejects(client.chat('anything'), { code: 'ECONNRESET' });
});

t.test('an error in a delta stream can be bare or a delta', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ errorEventAfter: 0 });
  t.match(parseData((await client.chat('x', V1)).body)[0], { message: null, error: String });
  await client.scenario({ errorEventAfter: 4, errorEventForm: 'delta' });
  t.match(deltasOf((await client.chat('x', V1)).body).at(-1), { p: '', o: 'add', v: { message: null } });
});

t.test('turns end in the ways of the backend', async (t) => {
  const client = await startSandbox(t);
  const play = async (scenario: object) => {
    await client.scenario(scenario);
    return (await client.chat('say exactly: a b c d')).body;
  };
  t.match(answersOf(await play({ finish: 'interrupted' })).at(-1), {
    status: 'finished_partial_completion',
    metadata: { finish_details: { type: 'interrupted' } },
  });
  t.same(
    answersOf(await play({ emptyAnswer: true })).map(({ content }) => content.parts[0]),
    ['', ''],
  );
  t.same(
    answersOf(await play({ onlyFinishedMessage: true })).map(({ status }) => status),
    ['finished_successfully'],
  );

  const blocked = await play({ moderationBlocked: true });
  t.equal(finalText(blocked), 'a b');
  t.match(parseData(blocked).at(-1), { type: 'moderation', moderation_response: { blocked: true } });
  t.match(await play({ encoding: 'v1' }), 'event: delta_encoding');
  await client.scenario({ encoding: 'legacy', contentType: 'text/plain' });
  const forced = await client.chat('say exactly: x', V1);
  t.match([forced.headers['content-type'], finalText(forced.body)], ['text/plain', 'x']);
});

t.test('an answer that ran out of tokens goes on under the same id', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ finish: 'max_tokens', times: 1 });
  const first = await client.chat('say exactly: one two three four', KEPT);
  const cut = answersOf(first.body).at(-1);
  t.match(cut, { content: { parts: ['one two'] }, metadata: { finish_details: { type: 'max_tokens' } } });
  const more = {
    ...KEPT,
    action: 'continue',
    messages: undefined,
    conversation_id: parseData(first.body)[0]?.['conversation_id'],
    parent_message_id: cut?.id,
  };
  const second = answersOf((await client.chat('', more)).body);
  t.match(second[0], { id: cut?.id, content: { parts: ['one two'] } });
  t.match(second.at(-1), { id: cut?.id, content: { parts: ['one two three four'] } });
  t.equal((await client.chat('', more)).status, 404, 'nothing is left to continue');
});

t.test('pings are comments between events and while waiting', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ pings: true, answer: 'a b' });
  const eager = (await client.chat('x')).body;
  t.equal(eager.match(/^: ping - \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/gm)?.length, 7);
  t.equal(finalText(eager), 'a b');
  await client.scenario({ firstEventDelayMs: 100, pingIntervalMs: 20, answer: 'a b' });
  const slow = (await client.chat('x')).body;
  t.ok(slow.startsWith(': ping'));
  t.equal(finalText(slow), 'a b');
});

t.test('a client that does not read holds its stream up', async (t) => {
  const client = await startSandbox(t);
  const headers = client.headers({ accept: 'text/event-stream', ...(await client.clearance()) });
  const aborter = new AbortController();
  const response = await fetch(`http://127.0.0.1:${client.port}/backend-anon/conversation`, {
    method: 'POST',
    headers,
    body: JSON.stringify(turn('write 20000 words')),
    signal: aborter.signal,
  });
  t.equal(response.status, 200);
  const early = await settledEvents(client);
  t.ok(early < 2_000, `${early} events of about 2000 left`);
  aborter.abort();
  await until(async () => (await client.records()).at(-1)?.aborted === true);
});

t.test('answers follow from the prompt', (t) => {
  const cases: [string, RegExp][] = [
    ['Hello!', /^Hello there/],
    ['What is 12 * (3 + 4)?', /\*\*84\*\*/],
    ['2^10 - 24 / 3', /\*\*1016\*\*/],
    ['capital of the United Kingdom?', /London/],
    ['What is the capital city of France', /Paris/],
    ['Write a haiku', /wire/],
    ['Give me three tips', /3\. /],
    ['some Python code please', /```python/],
    ['用中文回答', /你好/],
    ['an emoji test', /👩‍🚀/],
    ['repeat: a\nb', /^a\nb$/],
    ['Tell me about rivers', /“Tell me about rivers”/],
    ['', /nothing in particular/],
  ];
  for (const [prompt, answer] of cases) t.match(composeAnswer(prompt), answer, prompt);
  t.equal(composeAnswer('write 250 words').split(/\s+/).length, 250);
  t.equal(composeAnswer('90000 words').split(/\s+/).length, 20_000);
  t.end();
});

t.test('pieces join to the text and stay bounded', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.option(fc.integer({ min: 1, max: 9 })), (text, per) => {
      t.equal(cutIntoPieces(text, per).join(''), text);
    }),
  );
  t.ok(cutIntoPieces(composeAnswer('20000 words'), null).length <= 2_000);
  t.end();
});

const SAMPLE: Message = {
  id: '',
  author: { role: 'assistant', name: null, metadata: {} },
  create_time: 0,
  update_time: null,
  content: {},
  status: 'in_progress',
  end_turn: null,
  weight: 1,
  metadata: {},
  recipient: 'all',
  channel: null,
};

/** The number of events sent, once it has stopped growing. */
async function settledEvents(client: BackendClient): Promise<number> {
  let seen = -1;
  for (;;) {
    const events = (await client.records()).at(-1)?.events ?? 0;
    if (events === seen && events > 0) return events;
    seen = events;
    await sleep(150);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
