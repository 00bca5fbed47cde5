import t from 'tap';
import fc from 'fast-check';
import { EventDecoder } from '../../src/sse/event-decoder.ts';
import type { SseEvent } from '../../src/sse/event-decoder.ts';
import { LineDecoder, SseOverflow } from '../../src/sse/line-decoder.ts';
import { DONE_FRAME, commentFrame, dataFrame } from '../../src/sse/frame.ts';

function decode(chunks: Iterable<Uint8Array>, maxBytes = 1 << 20): SseEvent[] {
  const events: SseEvent[] = [];
  const decoder = new EventDecoder((event) => events.push(event), maxBytes);
  const lines = new LineDecoder((line) => decoder.pushLine(line), maxBytes);
  for (const chunk of chunks) {
    const own = Buffer.from(chunk);
    lines.push(own);
    own.fill(0x7e); // a chunk belongs to the decoder for the call only
  }
  lines.end();
  decoder.end();
  return events;
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const marks = [...new Set(at.map((mark) => mark % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...marks].map((from, index) => bytes.subarray(from, marks[index] ?? bytes.length));
}

const FIXTURES: Record<string, { bytes: string; events: SseEvent[] }> = {
  plain: {
    bytes: 'data: {"a":1}\n\ndata: [DONE]\n\n',
    events: [
      { name: '', data: '{"a":1}' },
      { name: '', data: '[DONE]' },
    ],
  },
  'named, commented, with ids and retries': {
    bytes: ': ping - 2024\n\nevent: delta\nid: 7\nretry: 5\ndata: "v1"\n\n:\n\nevent:delta\ndata:x\n\n',
    events: [
      { name: 'delta', data: '"v1"' },
      { name: 'delta', data: 'x' },
    ],
  },
  'characters of two, three and four bytes': {
    bytes: 'data: é−你好 😀🏽\n\ndata: \u{10FFFF}\n\n',
    events: [
      { name: '', data: 'é−你好 😀🏽' },
      { name: '', data: '\u{10FFFF}' },
    ],
  },
  'several data lines and a bare one': {
    bytes: 'data: one\ndata:  two\ndata\n\ndata:\n\n',
    events: [
      { name: '', data: 'one\n two\n' },
      { name: '', data: '' },
    ],
  },
  'an event without data is none': {
    bytes: 'event: lonely\n\ndata: x\n\n',
    events: [{ name: '', data: 'x' }],
  },
  'no blank line at the end': { bytes: 'data: last', events: [{ name: '', data: 'last' }] },
  'a byte order mark first': { bytes: '\uFEFFdata: x\n\n', events: [{ name: '', data: 'x' }] },
};

t.test('every fixture, whole, in every line ending, and split at every byte', (t) => {
  for (const [name, { bytes, events }] of Object.entries(FIXTURES)) {
    for (const ending of ['\n', '\r', '\r\n']) {
      const text = Buffer.from(bytes.replaceAll('\n', ending));
      t.strictSame(decode([text]), events, `${name}, whole, ${JSON.stringify(ending)}`);
      const wrong: number[] = [];
      for (let at = 0; at <= text.length; at += 1) {
        const seen = decode([text.subarray(0, at), text.subarray(at)]);
        if (JSON.stringify(seen) !== JSON.stringify(events)) wrong.push(at);
      }
      t.strictSame(wrong, [], `${name}, every split, ${JSON.stringify(ending)}`);
      const single = Array.from(text, (_, at) => text.subarray(at, at + 1));
      t.strictSame(decode(single), events, `${name}, byte by byte, ${JSON.stringify(ending)}`);
    }
  }
  t.end();
});

t.test('property: any events, any line endings, any splits', (t) => {
  const lineText = fc
    .string({ unit: 'binary', maxLength: 40 })
    .map((text) => text.replaceAll(/[\r\n\uFEFF\uD800-\uDFFF]/g, '.'));
  const event = fc.record({ name: lineText, data: fc.array(lineText, { minLength: 1, maxLength: 3 }) });
  const stream = fc.array(fc.tuple(event, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 6 });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (parts, marks) => {
      const text = parts.map(([{ name, data }, ending]) => {
        const lines = [`event: ${name}`, ...data.map((line) => `data: ${line}`), '', ''];
        return lines.join(ending);
      });
      const expected = parts.map(([{ name, data }]) => ({ name, data: data.join('\n') }));
      const seen = decode(cut(Buffer.from(text.join('')), marks));
      return JSON.stringify(seen) === JSON.stringify(expected);
    }),
    { numRuns: 250 },
  );
  t.pass('held');
  t.end();
});

t.test('invalid UTF-8 becomes replacement characters, never an exception', (t) => {
  const bytes = Buffer.concat([Buffer.from('data: a'), Buffer.from([0xff, 0xc3]), Buffer.from('b\n\n')]);
  t.strictSame(decode([bytes]), [{ name: '', data: 'a\uFFFD\uFFFDb' }]);
  t.end();
});

t.test('an endless line and an endless event are refused, not held', (t) => {
  const piece = Buffer.alloc(1000, 'x');
  t.throws(
    () =>
      decode(
        Array.from({ length: 20 }, () => piece),
        10_000,
      ),
    SseOverflow,
  );
  t.throws(() => decode([Buffer.alloc(20_000, 'x'), Buffer.from('\n')], 10_000), SseOverflow);
  const dataLine = Buffer.from(`data: ${'x'.repeat(900)}\n`);
  t.throws(
    () =>
      decode(
        Array.from({ length: 20 }, () => dataLine),
        10_000,
      ),
    SseOverflow,
  );
  t.end();
});

t.test('frames are what a decoder reads back', (t) => {
  const json = JSON.stringify({ text: 'a\nb\r\u2028 "c"' });
  const bytes = Buffer.from(commentFrame('ok') + dataFrame(json) + DONE_FRAME);
  t.strictSame(
    decode([bytes]).map((event) => event.data),
    [json, '[DONE]'],
  );
  t.end();
});
