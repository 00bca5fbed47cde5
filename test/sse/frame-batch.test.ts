import fc from 'fast-check';
import t from 'tap';
import { FrameBatch } from '../../src/sse/frame-batch.ts';
import { DONE_FRAME, stringFrame } from '../../src/sse/frame.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\n',
    '\u2028',
    '\x7f',
    'é',
    '東京',
    '😀',
    '\ud83d',
    '\ude00',
    'x'.repeat(20_000),
  ),
);
const AROUND = { before: '{"id":"é","content":', after: ',"end":null}' };

t.test('property: the bytes are those of JSON.stringify, in whatever order batches are used', (t) => {
  const frame = stringFrame(AROUND.before, AROUND.after);
  fc.assert(
    fc.property(fc.array(fc.array(text, { maxLength: 6 }), { maxLength: 4 }), (batches) => {
      const filled = batches.map((texts) => {
        const batch = new FrameBatch();
        for (const one of texts) batch.addString(frame, one);
        batch.add(DONE_FRAME);
        return batch;
      });
      for (const [index, batch] of filled.entries()) {
        const texts = (batches[index] ?? []).map((one) => JSON.stringify(one));
        const frames = texts.map((json) => `data: ${AROUND.before}${json}${AROUND.after}\n\n`);
        const seen = Buffer.from(batch.bytes).toString();
        batch.clear();
        if (seen !== frames.join('') + DONE_FRAME || batch.length !== 0) throw new Error(seen);
      }
    }),
  );
  t.end();
});
