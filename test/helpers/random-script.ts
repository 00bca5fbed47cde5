import fc from 'fast-check';
import { done, envelope } from './messages.ts';
import type { Envelope, MessageFields } from './messages.ts';
import type { Random } from './script-encoder.ts';

export const plain = fc.oneof(
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

export const stretch: fc.Arbitrary<Stretch> = fc.oneof(
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

export const length = (text: string): number => Array.from(text).length;

/** What is known about the stretches once `known` characters are there and sources come `late` behind. */
export function metadataAt(
  stretches: readonly Stretch[],
  known: number,
  late: number,
): Record<string, unknown> {
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
export function pauses(text: string, cuts: readonly number[]): number[] {
  const total = length(text);
  return [...new Set([...cuts.map((cut) => cut % (total + 1)), total])].toSorted((a, b) => a - b);
}

export const firstOf = (text: string, count: number): string => Array.from(text).slice(0, count).join('');

export const cuts = fc.array(fc.nat(), { maxLength: 6 });
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

/** What happens in one turn: growing and edited texts, tools, thoughts, images, messages nobody is to see. */
export const script: fc.Arbitrary<Envelope[]> = fc
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

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}
