import fc from 'fast-check';
import t from 'tap';
import { envelope } from '../../helpers/messages.ts';
import { readChunks, readWhole } from '../../helpers/stream-reading.ts';

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const marks = [...new Set(at.map((mark) => mark % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...marks].map((from, index) => bytes.subarray(from, marks[index] ?? bytes.length));
}

const frame = (value: object): string => `event: delta\ndata: ${JSON.stringify(value)}\n\n`;
const APPEND = { p: '/message/content/parts/0', o: 'append' };
const BEGINNING = frame({ p: '', o: 'add', v: envelope(), c: 0 }) + frame({ ...APPEND, v: 'It ' });
const END =
  frame({
    p: '',
    o: 'patch',
    v: [
      { p: '/message/status', o: 'replace', v: 'finished_successfully' },
      { p: '/message/end_turn', o: 'replace', v: true },
    ],
  }) + 'data: [DONE]\n\n';

/** What may stand between the quotes, as bytes: right, wrong and cut JSON, right and wrong UTF-8. */
const literal = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(' said', ' so', '.', 'café', '東京', '—', '😀', '(', '') },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        '\\n',
        '\\"',
        '\\\\',
        '\\u00e9',
        'a\\/b',
        '\\ud83d',
        '\\ude00',
        '\\ud83d\\ude00',
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('\\', '\\x', '\\u12', '"', '\n', '\r', '\t', '\0', '\x7f', '\u2028'),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('(sandbox:/a)', '\u30101\u2020s\u3011', '\uE200cite\uE201', '","p":"/x'),
    },
  )
  .map((text) => Buffer.from(text));
const broken = fc.constantFrom(
  [0xff],
  [0xc3],
  [0xe6, 0x9d],
  [0xed, 0xa0, 0xbd],
  [0xf0, 0x9f, 0x98],
  [0xef, 0xbb, 0xbf],
);
const bytesOfText = fc.oneof(
  { weight: 12, arbitrary: literal },
  { weight: 1, arbitrary: broken.map((bytes) => Buffer.from(bytes)) },
);

const textFrame = fc
  .record({
    opening: fc.oneof(
      { weight: 6, arbitrary: fc.constant('event: delta\ndata: {"v":"') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'data: {"v": "',
          'event: delta\ndata: {"v": "',
          'data: {"v":"',
          'data:{"v":"',
          'event:delta\ndata: {"v":"',
          '\uFEFFdata: {"v":"',
        ),
      },
    ),
    text: fc.array(bytesOfText, { maxLength: 3 }),
    closing: fc.oneof(
      { weight: 8, arbitrary: fc.constant('"}\n\n') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '"}\r\n\r\n',
          '"} \n\n',
          '","c":1}\n\n',
          '"}\n',
          '"}\r\r',
          '"}\n: x\n\n',
          '}\n\n',
        ),
      },
    ),
  })
  .map(({ opening, text, closing }) => Buffer.concat([Buffer.from(opening), ...text, Buffer.from(closing)]));

const otherFrame = fc
  .constantFrom(
    ': ping\n\n',
    'event: x\n',
    'data: {"type":"title_generation"}\n\n',
    frame({ ...APPEND, v: ' again' }),
    frame({ p: '/message/content/parts/0', o: 'truncate', v: 4 }),
    frame({ p: '/message/content/parts/0', o: 'replace', v: 'New' }),
    frame({ p: '/message/metadata', o: 'append', v: { citations: [] } }),
    frame({ p: '', o: 'add', v: envelope({ id: 'a-2' }), c: 1 }),
    'data: {"error":"no more"}\n\n',
    END,
  )
  .map((text) => Buffer.from(text));

const stream = fc
  .array(fc.oneof({ weight: 6, arbitrary: textFrame }, { weight: 1, arbitrary: otherFrame }), {
    maxLength: 14,
  })
  .map((frames) => Buffer.concat([Buffer.from(BEGINNING), ...frames, Buffer.from(END)]));

t.test('property: read short or by its lines, and however it is cut, a stream says the same', (t) => {
  let short = 0;
  fc.assert(
    fc.property(stream, fc.array(fc.nat(4000), { maxLength: 8 }), (bytes, marks) => {
      const { short: count, ...seen } = readChunks(cut(bytes, marks), 'texts');
      const { events, error } = readWhole(bytes);
      const [one, other] = [JSON.stringify(seen), JSON.stringify({ events, error })];
      if (one !== other) throw new Error(`short: ${one}\nby lines: ${other}`);
      short += count;
    }),
    { numRuns: 700 },
  );
  t.ok(short > 100, `${short} frames were read short`);
  t.end();
});

t.test('cut at every byte, and byte by byte', (t) => {
  const texts = ['a', 'é', '\\n', '東', '\\ud83d', '\\ude00'].map(
    (text) => `event: delta\ndata: {"v":"${text}"}\n\n`,
  );
  const bytes = Buffer.from(BEGINNING + texts.join('') + END);
  const expected = readWhole(bytes).events;
  for (let mark = 0; mark <= bytes.length; mark += 1) {
    t.same(readChunks(cut(bytes, [mark]), 'texts').events, expected, `cut at ${mark}`);
  }
  const single = Array.from(bytes, (byte) => Buffer.of(byte));
  t.same(readChunks(single, 'texts').events, expected, 'byte by byte');
  t.equal(readChunks([bytes], 'texts').short, texts.length, 'each text was read short');
  t.end();
});
