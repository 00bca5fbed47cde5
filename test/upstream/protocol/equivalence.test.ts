import fc from 'fast-check';
import t from 'tap';
import type { DecodedEvent, TurnEvent } from '../../../src/conversation/events.ts';
import { ChatError } from '../../../src/errors.ts';
import { ChoiceSink } from '../../../src/http/choice-sink.ts';
import { ChunkEncoder } from '../../../src/openai/chunk.ts';
import { toCompletion } from '../../../src/openai/completion.ts';
import { toUsage } from '../../../src/openai/usage.ts';
import { StreamDecoder } from '../../../src/upstream/protocol/stream-decoder.ts';
import { AnswerRecorder } from '../../helpers/answer-recorder.ts';
import { done, envelope, read } from '../../helpers/messages.ts';
import type { Envelope, MessageFields } from '../../helpers/messages.ts';
import { encodeLegacy, encodeV1 } from '../../helpers/script-encoder.ts';
import type { Random } from '../../helpers/script-encoder.ts';

/** The answer that a client gets: its chunks, joined where one follows another of its kind, and its body. */
function answer(payloads: readonly string[]): { stream: string; whole: string; content: string } {
  const recorder = new AnswerRecorder();
  const sink = new ChoiceSink(0, recorder, { stop: [], tokens: null });
  const decoder = new StreamDecoder((event) => void sink.write(withLink(event)), new Set());
  for (const data of payloads) decoder.push({ name: '', data });
  decoder.end();
  const head = { id: 'chatcmpl-1', created: 1, model: 'm' };
  const chunks = new ChunkEncoder(head, false);
  const stream = recorder.said.map(([kind, text]) =>
    kind === 'end' ? chunks.finish(0, 'stop') : chunks[kind](0, text),
  );
  const content = recorder.all('text');
  const choice = { text: content, reasoning: recorder.all('reasoning'), reason: 'stop' as const };
  const whole = toCompletion(head, [choice], toUsage(0, 0), null);
  return { stream: stream.join('\n'), whole: JSON.stringify(whole), content };
}

function withLink(event: DecodedEvent): TurnEvent {
  if (event.type !== 'image' && event.type !== 'file') return event;
  const { link } = event;
  const name = link.kind === 'pointer' ? link.pointer : `${link.messageId}${link.path}`;
  return { ...event, link: `https://files.example/${encodeURIComponent(name)}` };
}

const plain = fc.oneof(
  fc.constantFrom(
    'Hello',
    ' world',
    '.',
    '\n',
    '\n\n',
    '😀',
    '𝐀b',
    '你好',
    '(',
    ')',
    '(sand',
    '`',
    '```',
    '- x',
  ),
  fc.constantFrom('\u3010\u91cd\u3011', '\u3010', '[1]', '(see)', ' '),
  fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => text.replace(/[\uE200-\uE206]/g, '')),
);

/** A stretch of text: what upstream writes, and the source that it later tells. */
interface Stretch {
  readonly raw: string;
  readonly source: 'none' | 'citation' | 'reference';
}

const stretch: fc.Arbitrary<Stretch> = fc.oneof(
  { weight: 6, arbitrary: plain.map((raw): Stretch => ({ raw, source: 'none' })) },
  {
    weight: 2,
    arbitrary: fc.nat(9).map((n): Stretch => ({ raw: `\u3010${n}\u2020source\u3011`, source: 'citation' })),
  },
  {
    weight: 2,
    arbitrary: fc
      .nat(9)
      .map((n): Stretch => ({ raw: `\uE200cite\uE202turn0search${n}\uE201`, source: 'reference' })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\uE203', '\uE204', '\uE206').map((raw): Stretch => ({ raw, source: 'none' })),
  },
  { weight: 1, arbitrary: fc.constant<Stretch>({ raw: '[Get](sandbox:/mnt/data/r.csv)', source: 'none' }) },
);

const length = (text: string): number => Array.from(text).length;

/** What is known about the stretches once `known` characters are there and sources come `late` behind. */
function metadataAt(stretches: readonly Stretch[], known: number, late: number): Record<string, unknown> {
  const citations: object[] = [];
  const references: object[] = [];
  let start = 0;
  for (const { raw, source } of stretches) {
    const end = start + length(raw);
    const url = `https://e.example/${raw.replace(/[^a-z0-9]/g, '')}`;
    if (source === 'citation' && end + late <= known) {
      citations.push({ start_ix: start, end_ix: end, metadata: { title: 'T', url } });
    }
    if (source === 'reference' && end <= known) {
      const told =
        end + late <= known ? { type: 'webpage', items: [{ title: 'T', url }] } : { type: 'hidden' };
      references.push({ matched_text: raw, start_idx: start, end_idx: end, ...told });
    }
    start = end;
  }
  return { citations, content_references: references, model_slug: 'm' };
}

/** Places where a text pauses, each a number of characters; ends with all of it. */
function pauses(text: string, cuts: readonly number[]): number[] {
  const total = length(text);
  return [...new Set([...cuts.map((cut) => cut % (total + 1)), total])].toSorted((a, b) => a - b);
}

const firstOf = (text: string, count: number): string => Array.from(text).slice(0, count).join('');

const cuts = fc.array(fc.nat(), { maxLength: 6 });
type States = (id: string, last: boolean) => Envelope[];

function growing(states: MessageFields[], id: string, last: boolean): Envelope[] {
  return states.map((fields, at) =>
    at === states.length - 1 ? done({ ...fields, id, end_turn: last }) : envelope({ ...fields, id }),
  );
}

const texts: fc.Arbitrary<States> = fc
  .record({ stretches: fc.array(stretch, { minLength: 1, maxLength: 10 }), cuts, late: fc.nat(8) })
  .map(({ stretches, cuts, late }) => (id, last) => {
    const whole = stretches.map(({ raw }) => raw).join('');
    const states = pauses(whole, cuts).map((known) => ({
      text: firstOf(whole, known),
      metadata: metadataAt(stretches, known, late),
    }));
    const all = { text: whole, metadata: metadataAt(stretches, length(whole), 0) };
    return growing([{ text: '' }, ...states, all], id, last);
  });

const edited: fc.Arbitrary<States> = fc.array(plain, { minLength: 2, maxLength: 5 }).map(
  (versions) => (id, last) =>
    growing(
      versions.map((text) => ({ text })),
      id,
      last,
    ),
);

const toolText = (fieldsOf: (text: string) => MessageFields): fc.Arbitrary<States> =>
  fc.record({ pieces: fc.array(plain, { maxLength: 6 }), cuts }).map(({ pieces, cuts }) => (id) => {
    const whole = pieces.join('');
    return growing(
      [0, ...pauses(whole, cuts)].map((known) => fieldsOf(firstOf(whole, known))),
      id,
      false,
    );
  });

const code = toolText((text) => ({
  recipient: 'python',
  content: { content_type: 'code', language: 'unknown', text },
}));
const canvas = toolText((text) => ({
  recipient: 'canmore.create_textdoc',
  text: JSON.stringify({ name: 'n', type: 'document', content: text }).slice(0, -2),
}));
const output = toolText((text) => ({
  role: 'tool',
  name: 'python',
  content: { content_type: 'execution_output', text },
}));
const plot: States = (id) => [
  envelope({ id, role: 'tool', content: { content_type: 'execution_output', text: '' } }),
  done({
    id,
    role: 'tool',
    content: { content_type: 'execution_output', text: 'ok' },
    metadata: {
      aggregate_result: { messages: [{ message_type: 'image', image_url: `file-service://file-${id}` }] },
    },
  }),
];
const drawing: States = (id) => {
  const state = (status: string): Envelope =>
    envelope({
      id,
      role: 'tool',
      name: 'dalle.text2im',
      status,
      content: {
        content_type: 'multimodal_text',
        parts: [{ content_type: 'image_asset_pointer', asset_pointer: `sediment://file_${id}` }],
      },
    });
  return [state('in_progress'), state('finished_successfully')];
};
const thoughts: fc.Arbitrary<States> = fc
  .array(fc.record({ summary: plain, content: plain }), { minLength: 1, maxLength: 3 })
  .map((all) => (id) => {
    const states = all.flatMap((thought, at) => {
      const before = all.slice(0, at);
      return [
        [...before, { ...thought, content: '' }],
        [...before, thought],
      ];
    });
    return growing(
      [[], ...states].map((list) => ({ content: { content_type: 'thoughts', thoughts: list } })),
      id,
      false,
    );
  });
const aside: States[] = [
  (id) => [done({ id, recipient: 'bio', text: 'remember' })],
  (id) => [done({ id, recipient: 'browser', content: { content_type: 'code', text: 'search("x")' } })],
  (id) => [done({ id, content: { content_type: 'reasoning_recap', content: 'Thought for 5 s' } })],
  (id) => [
    done({ id, role: 'tool', name: 'browser', content: { content_type: 'tether_quote', text: 'no' } }),
  ],
  (id) => [done({ id, role: 'system', weight: 0, text: 'no' })],
  plot,
  drawing,
];

const script: fc.Arbitrary<Envelope[]> = fc
  .record({
    parts: fc.array(fc.oneof(texts, edited, code, canvas, output, thoughts, fc.constantFrom(...aside)), {
      maxLength: 6,
    }),
    last: texts,
  })
  .map(({ parts, last }) => [
    done({ id: 'u-1', role: 'user', text: 'a question' }),
    ...parts.flatMap((states, at) => states(`m-${at}`, false)),
    ...last('m-last', true),
    done({ id: 'm-end', text: 'The end.', end_turn: true }),
  ]);

function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

const MARKERS = /[\uE200-\uE206]|\u3010\d+\u2020source\u3011/;

t.test('property: one script gives one answer, whichever encoding tells it', (t) => {
  fc.assert(
    fc.property(script, fc.integer(), (states, seed) => {
      const random = randomOf(seed);
      const legacy = answer(encodeLegacy(states, random));
      const v1 = answer(encodeV1(states, random));
      if (JSON.stringify(legacy) !== JSON.stringify(v1)) {
        throw new Error(`legacy: ${legacy.stream}\nv1: ${v1.stream}`);
      }
      if (MARKERS.test(legacy.whole)) throw new Error(`a marker is left: ${legacy.whole}`);
      if (!legacy.content.endsWith('The end.')) throw new Error('cut');
    }),
    { numRuns: 1000 },
  );
  t.pass('held');
  t.end();
});

t.test('property: all of the text is there once, with links in the places of the markers', (t) => {
  const property = fc.property(
    fc.array(stretch, { minLength: 1, maxLength: 12 }),
    cuts,
    fc.nat(8),
    fc.integer(),
    (stretches, cuts, late, seed) => {
      const whole = stretches.map(({ raw }) => raw).join('');
      const states = pauses(whole, cuts).map((known) =>
        envelope({ text: firstOf(whole, known), metadata: metadataAt(stretches, known, late) }),
      );
      const last = { text: whole, metadata: metadataAt(stretches, length(whole), 0), end_turn: true };
      const { events } = read(
        encodeV1([...states, done(last), done({ id: 'e', text: '|', end_turn: true })], randomOf(seed)),
      );
      const said = events
        .map((event) => {
          if (event.type === 'text-delta') return event.text;
          if (event.type === 'citation') return `<${event.links[0]?.url}>`;
          return event.type === 'file' ? `sandbox:${event.path}` : '';
        })
        .join('');
      const expected = stretches
        .map(({ raw, source }) =>
          source === 'none'
            ? raw.replace(/[\uE200-\uE206]/g, '')
            : `<https://e.example/${raw.replace(/[^a-z0-9]/g, '')}>`,
        )
        .join('');
      if (said !== `${expected}|`) throw new Error(JSON.stringify([said, expected]));
    },
  );
  fc.assert(property, { numRuns: 1000 });
  t.pass('held');
  t.end();
});

t.test('a marker and a file cut at every place', (t) => {
  const legacyMarker = '\u30100\u2020source\u3011';
  const signed = '\uE200cite\uE202turn0search0\uE201';
  const whole = `😀a ${legacyMarker} b ${signed}. [f](sandbox:/mnt/data/r.csv) 😀`;
  const link = { title: 'T', url: 'https://e.example/' };
  const metadata = {
    citations: [{ start_ix: 3, end_ix: 13, metadata: link }],
    content_references: [{ matched_text: signed, items: [link] }],
  };
  const expected =
    '😀a ([T](https://e.example/)) b ([T](https://e.example/)). [f](https://files.example/a-1%2Fmnt%2Fdata%2Fr.csv) 😀';
  for (let at = 0; at <= whole.length; at += 1) {
    const states = [
      envelope({ text: whole.slice(0, at) }),
      envelope({ text: whole }),
      envelope({ text: whole, metadata }),
      done({ text: whole, metadata, end_turn: true }),
    ];
    const payloads = [...states.map((state) => JSON.stringify(state)), '[DONE]'];
    const { content } = answer(payloads);
    if (content !== expected) t.equal(content, expected, `cut at ${at}`);
    const byV1 = answer(encodeV1(states, randomOf(at)));
    if (byV1.content !== expected) t.equal(byV1.content, expected, `cut at ${at}, v1`);
  }
  t.pass('held');
  t.end();
});

t.test('property: nothing that upstream sends throws anything but a typed error', (t) => {
  const odd = fc.oneof(
    fc.anything({ maxDepth: 2 }),
    fc.constantFrom('text', 'code', 'python', 'all', null, 1),
  );
  const message = fc.record(
    {
      id: fc.constantFrom('a', 'b', 3),
      author: fc.oneof(
        fc.constantFrom({ role: 'assistant' }, { role: 'tool', name: 'python' }, { role: 'tool', name: 4 }),
        odd,
      ),
      content: fc.oneof(
        fc.record(
          {
            content_type: fc.constantFrom(
              'text',
              'code',
              'execution_output',
              'multimodal_text',
              'thoughts',
              'reasoning_recap',
              'system_error',
            ),
            parts: fc.oneof(fc.array(fc.oneof(plain, odd)), odd),
            text: fc.oneof(plain, odd),
            language: odd,
            thoughts: fc.oneof(fc.array(fc.oneof(odd, fc.record({ summary: odd, content: plain }))), odd),
            content: odd,
          },
          { requiredKeys: ['content_type'] },
        ),
        odd,
      ),
      recipient: fc.constantFrom(
        'all',
        'python',
        'canmore.create_textdoc',
        'browser',
        'dalle.text2im',
        7,
        null,
      ),
      status: fc.constantFrom('in_progress', 'finished_successfully', 5, null),
      end_turn: fc.constantFrom(true, false, null, 'x'),
      metadata: fc.oneof(
        fc.record(
          {
            citations: fc.oneof(
              odd,
              fc.array(fc.record({ start_ix: fc.nat(20), end_ix: odd, metadata: odd })),
            ),
            content_references: fc.oneof(
              odd,
              fc.array(fc.record({ matched_text: plain, alt: odd, items: odd })),
            ),
            aggregate_result: odd,
            finish_details: odd,
            initial_text: odd,
          },
          { requiredKeys: [] },
        ),
        odd,
      ),
      channel: fc.constantFrom(null, 'final', 'analysis', 4),
    },
    { requiredKeys: ['author', 'content'] },
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
      const payloads = messages.map((given) => {
        try {
          return JSON.stringify({ message: given, conversation_id: 'c' });
        } catch {
          return '{}';
        }
      });
      const { events } = read(payloads);
      let isOpen = false;
      for (const event of events) {
        if (event.type === 'block-start' && isOpen) throw new Error('nested');
        if (event.type === 'block-start') isOpen = true;
        if (event.type === 'block-delta' && !isOpen) throw new Error('outside');
        if (event.type === 'block-end') isOpen = false;
        if ('text' in event && MARKERS.test(event.text.replace(/\u3010.*/, '')))
          throw new Error('a sign is left');
      }
    }),
    { numRuns: 1000 },
  );
  t.pass('held');
  t.end();
});

t.test('much of everything stays within bounds', (t) => {
  const started = Date.now();
  const frames: unknown[] = [{ p: '', o: 'add', v: envelope(), c: 0 }];
  const append = (text: string): void =>
    void frames.push({ p: '/message/content/parts/0', o: 'append', v: text });
  for (let at = 0; at < 60_000; at += 1) append('ab');
  for (let at = 0; at < 2000; at += 1) append(`\uE200cite\uE202turn0search${at}`);
  for (let at = 0; at < 2000; at += 1) append('(sandbox:/');
  for (let at = 0; at < 2000; at += 1) append('\u30101\u2020');
  append('('.repeat(1_000_000));
  append('\uE200'.repeat(200_000));
  append('\u3010'.repeat(200_000));
  append('\u30101\u2020source\u3011'.repeat(100_000));
  const { events, error } = read(frames);
  t.type(error, ChatError, 'cut, as no end came');
  t.equal(events[0]?.type, 'turn-start');
  t.ok(Date.now() - started < 20_000, `${Date.now() - started} ms`);
  t.end();
});
