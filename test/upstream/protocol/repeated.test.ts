import fc from 'fast-check';
import t from 'tap';
import { done, envelope } from '../../helpers/messages.ts';
import { randomOf, script } from '../../helpers/random-script.ts';
import { encodeLegacy, encodeV1 } from '../../helpers/script-encoder.ts';
import { readChunks, reading, readWhole } from '../../helpers/stream-reading.ts';

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const marks = [...new Set(at.map((mark) => mark % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...marks].map((from, index) => bytes.subarray(from, marks[index] ?? bytes.length));
}

function sameAsWhole(bytes: Buffer, marks: readonly number[]): number {
  const { short, ...seen } = readChunks(cut(bytes, marks), 'rests');
  const { events, error } = readWhole(bytes);
  const [one, other] = [JSON.stringify(seen), JSON.stringify({ events, error })];
  if (one !== other) throw new Error(`short: ${one}\nwhole: ${other}`);
  return short;
}

/** JSON as other encoders write it: with everything beyond ASCII escaped, with blanks. */
const asciiOnly = (json: string): string =>
  json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
const spaced = (json: string): string =>
  json.replaceAll(/(":|,")(?=[[{"])/g, '$1').replaceAll('":[', '": [ ');

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('Hello', ' world', '.', '\n', '"', '\\', '\\n', '"]', '","', '\t'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('😀', '\ud83d', '\ude00', 'é', '東京', '\u2028', '\uFFFD', '\u0001'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('(sandbox:/a)', '\u30101\u2020s\u3011', '\uE200cite\uE201', 'x', ''),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 5 }) },
);

/** One event of a message that grows, and the ways in which it may differ from the one before. */
const step = fc.record({
  piece,
  /** Mostly none. */
  edit: fc.option(fc.nat(6), { freq: 12, nil: null }),
  metadata: fc.option(fc.constantFrom({ a: 1 }, { citations: [] }, { parts: ['x'] }), { freq: 6, nil: null }),
  encode: fc.oneof(
    { weight: 8, arbitrary: fc.constant((json: string) => json) },
    { weight: 1, arbitrary: fc.constantFrom(asciiOnly, spaced) },
  ),
  between: fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ': ping\n\n',
        'data: {"type":"title"}\n\n',
        'event: x\n',
        'data: {"v":"z"}\n\n',
      ),
    },
  ),
});

const growing = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  field: fc.constantFrom('data: ', 'data:'),
  ending: fc.constantFrom('\n', '\n', '\r\n', '\r'),
  kind: fc.constantFrom('text', 'text', 'code', 'multimodal_text'),
  encodeAll: fc.constantFrom((json: string) => json, asciiOnly, spaced),
});

type Growing = typeof growing extends fc.Arbitrary<infer T> ? T : never;

function toBytes({ steps, field, ending, kind, encodeAll }: Growing): Buffer {
  let text = '';
  let stream = '';
  let metadata: Record<string, unknown> = {};
  for (const { piece, edit, metadata: told, encode, between } of steps) {
    text = (edit === null ? text : text.slice(0, edit)) + piece;
    metadata = told ?? metadata;
    const content = kind === 'code' ? { content_type: kind, text } : { content_type: kind, parts: [text] };
    stream += `${between}${field}${encode(encodeAll(JSON.stringify(envelope({ content, metadata }))))}\n\n`;
  }
  stream += `${field}${JSON.stringify(done({ text: `${text}.`, metadata, end_turn: true }))}\n\ndata: [DONE]\n\n`;
  return Buffer.from(stream.replaceAll('\n', ending));
}

t.test('property: what is read of repeating events is what a parser reads, wherever they are cut', (t) => {
  let [short, all] = [0, 0];
  fc.assert(
    fc.property(growing, fc.array(fc.nat(), { maxLength: 12 }), (given, marks) => {
      short += sameAsWhole(toBytes(given), marks);
      all += given.steps.length;
    }),
    { numRuns: 700 },
  );
  t.ok(short > all / 3, `${short} of ${all} events were read without what they repeat`);
  t.end();
});

t.test('property: also when bytes are damaged', (t) => {
  const damage = fc.array(
    fc.tuple(fc.nat(), fc.constantFrom(0x80, 0xbd, 0xe6, 0xf0, 0x22, 0x5c, 0x0a, 0x20, 0x7d)),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(growing, damage, fc.array(fc.nat(), { maxLength: 6 }), (given, changes, marks) => {
      const bytes = toBytes(given);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      sameAsWhole(bytes, marks);
    }),
    { numRuns: 700 },
  );
  t.pass('held');
  t.end();
});

t.test('property: whole turns, in both encodings', (t) => {
  fc.assert(
    fc.property(script, fc.integer(), fc.array(fc.nat(), { maxLength: 12 }), (states, seed, marks) => {
      for (const encode of [encodeLegacy, encodeV1]) {
        const payloads = encode(states, randomOf(seed));
        sameAsWhole(Buffer.from(payloads.map((data) => `data: ${data}\n\n`).join('')), marks);
      }
    }),
    { numRuns: 250 },
  );
  t.pass('held');
  t.end();
});

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

t.test('nearly every event of a long answer is read without what it repeats, also byte by byte', (t) => {
  const texts = Array.from({ length: 50 }, (_, at) => 'wörd "q" 😀\n'.repeat(at));
  const stream = Buffer.from(
    texts.map((text) => data(envelope({ text }))).join('') +
      data(done({ text: texts.at(-1) ?? '', end_turn: true })) +
      'data: [DONE]\n\n',
  );
  t.equal(sameAsWhole(stream, []), 50);
  t.equal(
    sameAsWhole(
      stream,
      Array.from(stream, (_, at) => at),
    ),
    50,
  );
  t.end();
});

/** Long texts that grow at the end, and change at times anywhere in what is there already. */
const longGrowing = fc.record({
  words: fc.array(piece, { minLength: 1, maxLength: 5 }),
  length: fc.nat(40_000),
  steps: fc.array(
    fc.record({
      piece,
      change: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 5, nil: null }),
    }),
    { minLength: 2, maxLength: 6 },
  ),
});

type LongGrowing = typeof longGrowing extends fc.Arbitrary<infer T> ? T : never;

function toLongBytes({ words, length, steps }: LongGrowing): Buffer {
  let text = `${words.join(' ')} `.repeat(length).slice(0, length);
  let stream = data(envelope({ text }));
  for (const { piece, change } of steps) {
    const at = Math.floor((change ?? 1) * text.length);
    text = `${text.slice(0, at)}${change === null ? '' : '#'}${text.slice(at + 1)}${piece}`;
    stream += data(envelope({ text }));
  }
  return Buffer.from(`${stream}${data(done({ text: `${text}.`, end_turn: true }))}data: [DONE]\n\n`);
}

t.test(
  'property: long events, cut into reads of one size and anywhere, also when their beginning changes',
  (t) => {
    const marks = fc.array(fc.nat(300_000), { maxLength: 12 });
    fc.assert(
      fc.property(longGrowing, fc.integer({ min: 500, max: 70_000 }), marks, (given, size, marks) => {
        const bytes = toLongBytes(given);
        const reads = Array.from({ length: Math.floor(bytes.length / size) }, (_, at) => (at + 1) * size);
        sameAsWhole(bytes, [...reads, ...marks]);
      }),
      { numRuns: 300 },
    );
    t.pass('held');
    t.end();
  },
);

t.test('a character whose bytes come in two events is what it is', (t) => {
  const [head, tail] = data(envelope({ text: '@' })).split('@') as [string, string];
  const events = [
    Buffer.from([0x61]),
    Buffer.from([0x61, 0xe6, 0x9d]),
    Buffer.from([0x61, 0xe6, 0x9d, 0xb1]),
  ];
  const stream = events.map((text) => Buffer.concat([Buffer.from(head), text, Buffer.from(tail)]));
  const end = Buffer.from(`${data(done({ text: 'a東.', end_turn: true }))}data: [DONE]\n\n`);
  sameAsWhole(Buffer.concat([...stream, end]), []);
  t.pass('held');
  t.end();
});

t.test('halves of characters, one behind the other, come in their order', (t) => {
  const texts = ['a\ud800', 'a\ud800\ud83d', 'a\ud800\ud83dHello'];
  const stream = texts.map((text) => data(envelope({ text }))).join('');
  const end = `${data(done({ text: `${texts.at(-1)}.`, end_turn: true }))}data: [DONE]\n\n`;
  t.equal(sameAsWhole(Buffer.from(stream + end), []), 3);
  t.end();
});

t.test('an event of several data lines is none that repeats', (t) => {
  const first = data(envelope({ text: 'a' }));
  const second = data(envelope({ text: 'ab' })).trimEnd();
  const stream = `${first}${second}\ndata: ${'{"type":"x"}'}\n\n${data(done({ text: 'abc', end_turn: true }))}data: [DONE]\n\n`;
  sameAsWhole(Buffer.from(stream), []);
  sameAsWhole(Buffer.from(stream.replace('data: {"type":"x"}', second)), []);
  t.pass('held');
  t.end();
});

function readPayloads(payloads: readonly string[]): string {
  const { events, error } = reading((decoder) => {
    for (const payload of payloads) decoder.push({ name: '', data: payload });
    decoder.end();
  });
  return JSON.stringify({ events, error });
}

t.test('property: frames that only bring text mean what a parser makes of them', (t) => {
  const place = fc.constantFrom(
    '/message/content/parts/0',
    '/message/content/text',
    '/message/metadata/a',
    '',
  );
  const frame = fc.oneof(
    { weight: 8, arbitrary: piece.map((v) => ({ v })) },
    {
      weight: 2,
      arbitrary: fc.record({ p: place, o: fc.constantFrom('append', 'add', 'replace'), v: piece }),
    },
    { weight: 1, arbitrary: fc.record({ c: fc.nat(2), v: piece }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<object[]>(
        { p: '', o: 'patch', v: [{ p: '/message/content/parts/0', o: 'append', v: '+' }] },
        { p: '/message/content/parts/0', o: 'truncate', v: 1 },
        { p: '/message/content/parts', o: 'append', v: ['x'] },
        { p: '/message/weight', o: 'replace', v: 0 },
        { p: '/message/status', o: 'replace', v: 'finished_successfully' },
        { p: '', o: 'add', v: envelope({ id: 'a-2' }), c: 1 },
        { v: envelope({ id: 'a-3', content: { content_type: 'code', text: '' } }), c: 2 },
        { type: 'title' },
      ),
    },
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 25 }), (frames) => {
      const told = [
        { p: '', o: 'add', v: envelope(), c: 0 },
        { p: '/message/content/parts/0', o: 'append', v: 'a' },
        ...frames,
        { v: done({ id: 'z', text: 'end', end_turn: true }), c: 0, p: '', o: 'add' },
      ].map((frame) => JSON.stringify(frame));
      const [plain, parsed] = [readPayloads(told), readPayloads(told.map((json) => ` ${json}`))];
      if (plain !== parsed) throw new Error(`${plain}\nparsed: ${parsed}`);
    }),
    { numRuns: 500 },
  );
  t.pass('held');
  t.end();
});
