import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import fc from 'fast-check';
import { ChatError } from '../../../src/errors.ts';
import type { DecodedEvent } from '../../../src/conversation/events.ts';
import { DeltaDocuments } from '../../../src/upstream/protocol/delta-documents.ts';
import type { TakenOf } from '../../../src/upstream/protocol/delta-documents.ts';
import { StreamDecoder } from '../../../src/upstream/protocol/stream-decoder.ts';
import type { WireDelta, WireEnvelope } from '../../../src/upstream/protocol/wire.ts';

interface Overrides {
  id?: string;
  role?: string;
  text?: string;
  parts?: unknown[];
  status?: string;
  end_turn?: boolean | null;
  metadata?: object;
  recipient?: string;
  channel?: string | null;
  weight?: number;
  content?: object;
}

function envelope(given: Overrides = {}): object {
  return {
    message: {
      id: given.id ?? 'a-1',
      author: { role: given.role ?? 'assistant', name: null, metadata: {} },
      content: given.content ?? { content_type: 'text', parts: given.parts ?? [given.text ?? ''] },
      status: given.status ?? 'in_progress',
      end_turn: given.end_turn ?? null,
      weight: given.weight ?? 1,
      metadata: given.metadata ?? {},
      recipient: given.recipient ?? 'all',
      channel: given.channel ?? null,
    },
    conversation_id: 'c-1',
    error: null,
  };
}

const finished = (given: Overrides = {}): object =>
  envelope({
    status: 'finished_successfully',
    end_turn: true,
    metadata: { finish_details: { type: 'stop' } },
    ...given,
  });

interface Reading {
  events: DecodedEvent[];
  text: string;
  end: string | null;
  error: ChatError | null;
}

/** Feeds data payloads; the bytes end after the last one. */
function read(payloads: readonly unknown[], asked: readonly string[] = []): Reading {
  const events: DecodedEvent[] = [];
  const decoder = new StreamDecoder((event) => events.push(event), new Set(asked));
  let error: ChatError | null = null;
  try {
    for (const payload of payloads) {
      decoder.push({ name: '', data: typeof payload === 'string' ? payload : JSON.stringify(payload) });
    }
    decoder.end();
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    error = thrown;
  }
  const text = events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
  const last = events.at(-1);
  return { events, text, end: last?.type === 'turn-end' ? last.reason : null, error };
}

const prologue = [
  finished({
    id: 's-1',
    role: 'system',
    weight: 0,
    metadata: { is_visually_hidden_from_conversation: true },
  }),
  finished({ id: 'u-1', role: 'user', text: 'Say hi' }),
];

t.test('legacy: the normal order gives start, deltas, end', (t) => {
  const seen = read([
    ...prologue,
    envelope(),
    envelope({ text: 'Hel' }),
    envelope({ text: 'Hello there' }),
    finished({ text: 'Hello there!' }),
    { type: 'title_generation', title: 'Greeting', conversation_id: 'c-1' },
    '[DONE]',
  ]);
  t.strictSame(seen.events, [
    { type: 'turn-start', conversationId: 'c-1', messageId: 'a-1', modelSlug: null },
    { type: 'text-delta', text: 'Hel' },
    { type: 'text-delta', text: 'lo there' },
    { type: 'text-delta', text: '!' },
    { type: 'turn-end', reason: 'stop' },
  ]);
  t.end();
});

t.test('legacy: an answer that was never in progress is an answer', (t) => {
  t.match(read([finished({ text: 'All at once' }), '[DONE]']), {
    text: 'All at once',
    end: 'stop',
    error: null,
  });
  t.end();
});

t.test('echoes of the question and of earlier answers are not the answer', (t) => {
  const asked = ['u-0', 'p-1', 'u-1'];
  const seen = read(
    [
      finished({ id: 'u-0', role: 'user', text: 'q' }),
      finished({ id: 'p-1', text: 'an earlier answer' }),
      finished({ id: 'u-1', role: 'user', text: 'q2' }),
      envelope({ text: 'new' }),
      finished({ text: 'newer' }),
      '[DONE]',
    ],
    asked,
  );
  t.equal(seen.text, 'newer');
  t.end();
});

t.test('only what is meant for the user is shown', (t) => {
  const hidden = [
    envelope({ id: 'h1', text: 'no', recipient: 'python' }),
    envelope({ id: 'h2', text: 'no', channel: 'analysis' }),
    envelope({ id: 'h3', text: 'no', weight: 0 }),
    envelope({ id: 'h4', text: 'no', role: 'tool' }),
    envelope({ id: 'h5', text: 'no', metadata: { is_visually_hidden_from_conversation: true } }),
    envelope({ id: 'h6', content: { content_type: 'sonic_webpage', parts: ['no'] } }),
    { message: 'no' },
    { message: { content: null } },
    { message: [] },
    { some: 'thing' },
    { type: 'message_marker', marker: 'last_token' },
    '"v1"',
    '17',
    '[]',
  ];
  const seen = read([
    ...hidden,
    envelope({ text: 'yes', channel: 'final' }),
    ...hidden,
    finished({ text: 'yes!' }),
    '[DONE]',
  ]);
  t.match(seen, { text: 'yes!', end: 'stop', error: null });
  t.end();
});

t.test('why it ended', (t) => {
  const ending = (metadata: object, status?: string): string | null =>
    read([finished({ text: 'x', metadata, ...(status === undefined ? {} : { status }) }), '[DONE]']).end;
  t.equal(ending({ finish_details: { type: 'stop' } }), 'stop');
  t.equal(ending({ finish_details: { type: 'max_tokens' } }), 'length');
  t.equal(ending({ finish_details: { type: 'something new' } }), 'stop');
  t.equal(ending({}), 'stop');
  t.equal(ending({}, 'finished_partial_completion'), 'stop');
  const blocked = { type: 'moderation', moderation_response: { flagged: true, blocked: true } };
  const passed = { moderation_response: { flagged: true, blocked: false } };
  t.match(read([envelope({ text: 'some' }), blocked, envelope({ text: 'some more' }), '[DONE]']), {
    text: 'some',
    end: 'content_filter',
  });
  t.match(read([blocked]), { text: '', end: 'content_filter', error: null });
  t.match(read([envelope({ text: 'some' }), passed, finished({ text: 'some more' }), '[DONE]']), {
    text: 'some more',
    end: 'stop',
  });
  t.end();
});

t.test('a cut answer never looks complete', (t) => {
  const cut = read([...prologue, envelope({ text: 'Hello' })]);
  t.match(cut, { text: 'Hello', end: null, error: { code: 'upstream_protocol_error' } });
  t.match(read([]), { end: null, error: { code: 'upstream_protocol_error' } });
  t.match(read([...prologue, '[DONE]']), { end: null, error: { code: 'upstream_protocol_error' } });
  t.match(read([...prologue, envelope(), finished(), '[DONE]']).error, { code: 'upstream_protocol_error' });
  const toolNext = finished({ text: 'Running.', end_turn: false });
  t.match(read([toolNext]), { end: null, error: { code: 'upstream_protocol_error' } });
  t.match(
    read([finished({ text: 'whole' })]),
    { end: 'stop', error: null },
    'marked complete, only [DONE] is missing',
  );
  t.end();
});

t.test('error events become typed errors in every form', (t) => {
  const unusual =
    'Our systems have detected unusual activity coming from your system. Please try again later.';
  for (const event of [
    { message: null, conversation_id: 'c-1', error: unusual },
    { error: unusual },
    { error: { message: unusual, code: 'x' } },
    { p: '', o: 'add', v: { message: null, error: unusual }, c: 0 },
    { detail: unusual },
  ]) {
    t.match(read([envelope({ text: 'a' }), event, '[DONE]']), {
      text: 'a',
      end: null,
      error: { code: 'upstream_refused' },
    });
  }
  t.match(read([envelope({ text: 'a' }), 'not json']).error, { code: 'upstream_protocol_error' });
  t.match(read([envelope({ text: 'a' }), '{"message":{']).error, { code: 'upstream_protocol_error' });
  t.end();
});

t.test('edits and truncations never send text twice', (t) => {
  const seen = read([
    envelope({ text: 'Hello wrld' }),
    envelope({ text: 'Hello' }),
    envelope({ text: 'Hello world' }),
    envelope({ id: 'a-2', text: ' And' }),
    envelope({ text: 'Hello world' }),
    finished({ id: 'a-2', text: ' And more' }),
    '[DONE]',
  ]);
  t.equal(seen.text, 'Hello wrldd And more');
  t.end();
});

t.test('a character is never cut in two', (t) => {
  const [high, low] = ['😀'.charAt(0), '😀'.charAt(1)];
  const seen = read([
    { p: '', o: 'add', v: envelope(), c: 0 },
    { p: '/message/content/parts/0', o: 'append', v: `hi ${high}` },
    { v: low },
    { v: '!' },
    '[DONE]',
  ]);
  t.strictSame(
    seen.events.filter((event) => event.type === 'text-delta').map((event) => event.text),
    ['hi ', '😀', '!'],
  );
  t.end();
});

t.test('events that share a block of data lines are read one by one', (t) => {
  const block = `${JSON.stringify(envelope({ text: 'a' }))}\n${JSON.stringify(finished({ text: 'ab' }))}\n[DONE]`;
  t.match(read([block]), { text: 'ab', end: 'stop' });
  t.end();
});

interface Reduced {
  message: { content: { thoughts?: unknown }; metadata: { content_references?: unknown } };
}

/** Documents after each frame, as plain data. */
function reduce(frames: readonly unknown[]): { last: () => Reduced; texts: (string | null)[] } {
  const documents = new DeltaDocuments();
  let last: unknown = null;
  const texts = frames.map((frame) => {
    const change = documents.apply(structuredClone(frame) as WireDelta);
    if (change !== null) last = change.document;
    const parts = change?.document.message?.content?.parts;
    return Array.isArray(parts) && typeof parts[0] === 'string' ? parts[0] : null;
  });
  return { last: () => last as Reduced, texts };
}

const PART = '/message/content/parts/0';

t.test('v1: plain text, inherited path and operation, a final patch', (t) => {
  const frames = [
    { p: '', o: 'add', v: envelope({ id: 's', role: 'system' }), c: 0 },
    { v: envelope({ id: 'u', role: 'user', text: 'q' }), c: 1 },
    { v: envelope(), c: 2 },
    { p: PART, o: 'append', v: 'Hello' },
    { v: ' there' },
    { v: ', friend' },
    {
      p: '',
      o: 'patch',
      v: [
        { p: PART, o: 'append', v: '!' },
        { p: '/message/status', o: 'replace', v: 'finished_successfully' },
        { p: '/message/end_turn', o: 'replace', v: true },
        { p: '/message/metadata', o: 'append', v: { is_complete: true, finish_details: { type: 'stop' } } },
      ],
    },
  ];
  t.strictSame(reduce(frames).texts, [
    '',
    'q',
    '',
    'Hello',
    'Hello there',
    'Hello there, friend',
    'Hello there, friend!',
  ]);
  const seen = read([
    '"v1"',
    ...frames,
    { type: 'message_stream_complete', conversation_id: 'c-1' },
    '[DONE]',
  ]);
  t.match(seen, { text: 'Hello there, friend!', end: 'stop', error: null });
  t.equal(seen.events.filter((event) => event.type === 'text-delta').length, 4);
  t.end();
});

t.test('v1: reasoning, inherited p alone, a repeated patch, several documents', (t) => {
  const frames = [
    { p: '', o: 'add', v: envelope({ id: 'm1', content: { content_type: 'thoughts', thoughts: [] } }), c: 3 },
    { p: '/message/content/thoughts', o: 'append', v: [{ summary: 'Plan', content: 'Look' }] },
    { p: '/message/content/thoughts/0/content', v: ' up' },
    { v: ' facts' },
    {
      p: '',
      o: 'patch',
      v: [
        { p: '/message/status', o: 'replace', v: 'finished_successfully' },
        { p: '/message/end_turn', o: 'replace', v: false },
      ],
    },
    { o: 'add', v: envelope({ id: 'm2' }), c: 4 },
    {
      o: 'patch',
      v: [
        { p: PART, o: 'append', v: 'Rome' },
        { p: '/message/metadata', o: 'append', v: { model_slug: 'o3-mini' } },
      ],
    },
    {
      v: [
        { p: PART, o: 'append', v: ' is' },
        { p: '/message/metadata', o: 'append', v: { request_id: 'r1' } },
      ],
    },
    { p: PART, o: 'append', v: ' old' },
    { v: '.' },
    {
      p: '',
      o: 'patch',
      v: [
        { p: '/message/status', o: 'replace', v: 'finished_successfully' },
        { p: '/message/end_turn', o: 'replace', v: true },
      ],
    },
  ];
  t.strictSame(reduce(frames.slice(0, 4)).last().message.content.thoughts, [
    { summary: 'Plan', content: 'Look up facts' },
  ]);
  const { texts, last } = reduce(frames);
  t.strictSame(texts.slice(6), ['Rome', 'Rome is', 'Rome is old', 'Rome is old.', 'Rome is old.']);
  t.strictSame(last().message.metadata, { model_slug: 'o3-mini', request_id: 'r1' });
  t.match(read([...frames, '[DONE]']), { text: 'Rome is old.', end: 'stop' });
  t.end();
});

t.test('v1: references patched by index, truncate, replace', (t) => {
  const marker = '\uE200cite\uE202turn0search2\uE201';
  const frames = [
    { p: '', o: 'add', v: envelope({ metadata: { content_references: [] } }), c: 5 },
    {
      p: '',
      o: 'patch',
      v: [
        { p: PART, o: 'append', v: `Ice floats ${marker}` },
        {
          p: '/message/metadata/content_references',
          o: 'append',
          v: [{ matched_text: marker, type: 'hidden' }],
        },
      ],
    },
    {
      v: [
        { p: '/message/metadata/content_references/0/type', o: 'replace', v: 'grouped_webpages' },
        {
          p: '/message/metadata/content_references/0/items',
          o: 'add',
          v: [{ title: 'Ice', url: 'https://ex.test/ice' }],
        },
        { p: PART, o: 'append', v: '.' },
      ],
    },
    { p: PART, o: 'truncate', v: 10 },
    { o: 'replace', v: 'Ice floats.' },
  ];
  const { texts, last } = reduce(frames);
  t.strictSame(texts.slice(1), [
    `Ice floats ${marker}`,
    `Ice floats ${marker}.`,
    'Ice floats',
    'Ice floats.',
  ]);
  t.match(last().message.metadata.content_references, [
    { type: 'grouped_webpages', items: [{ title: 'Ice' }] },
  ]);
  t.end();
});

t.test('v1: every operation on every kind of place', (t) => {
  const root = { list: [1, 2, 3], text: 'añ😀b', map: { a: 1 }, 'a/b~c': 0 };
  const apply = (...frames: WireDelta[]): unknown => {
    const documents = new DeltaDocuments();
    documents.apply({ p: '', o: 'add', v: structuredClone(root), c: 0 });
    let document: unknown = null;
    for (const frame of frames) document = documents.apply(frame)?.document ?? document;
    return document;
  };
  t.match(apply({ p: '/list/1', o: 'add', v: 9 }), { list: [1, 9, 2, 3] });
  t.match(apply({ p: '/list/-', o: 'add', v: 9 }), { list: [1, 2, 3, 9] });
  t.match(apply({ p: '/list/0', o: 'replace', v: 9 }), { list: [9, 2, 3] });
  t.match(apply({ p: '/list', o: 'append', v: 9 }), { list: [1, 2, 3, 9] });
  t.match(apply({ p: '/list', o: 'append', v: [8, 9] }), { list: [1, 2, 3, 8, 9] });
  t.match(apply({ p: '/list/1', o: 'remove' }), { list: [1, 3] });
  t.match(apply({ p: '/list', o: 'truncate', v: 1 }), { list: [1] });
  t.match(apply({ p: '/text', o: 'truncate', v: 3 }), { text: 'añ😀' });
  t.match(apply({ p: '/map', o: 'append', v: { b: 2 } }), { map: { a: 1, b: 2 } });
  t.strictSame((apply({ p: '/map/a', o: 'remove' }) as typeof root).map, {});
  t.match(apply({ p: '/a~1b~0c', o: 'replace', v: 5 }), { 'a/b~c': 5 });
  t.match(apply({ p: '/new', o: 'append', v: 'x' }, { v: 'y' }), { new: 'xy' });
  t.match(apply({ p: '', o: 'append', v: { extra: 1 } }), { extra: 1, text: 'añ😀b' });
  t.match(apply({ p: '/text', o: 'append', v: '!' }, { o: 'nonsense', v: '?' }, { v: '!' }), {
    text: 'añ😀b!!',
  });
  t.end();
});

t.test('property: what was said of a long v1 text can be forgotten, and nobody sees a difference', (t) => {
  const piece = fc
    .tuple(fc.stringMatching(/^[ab🙂é]{1,9}$/u), fc.integer({ min: 1, max: 600 }))
    .map(([some, times]) => some.repeat(times));
  const step = fc.oneof(
    { weight: 9, arbitrary: piece.map((v): WireDelta => ({ v })) },
    { weight: 3, arbitrary: piece.map((v): WireDelta => ({ p: PART, o: 'append', v })) },
    { weight: 1, arbitrary: fc.nat(600).map((back) => ({ back })) },
    {
      weight: 1,
      arbitrary: piece.map((v): WireDelta => ({ p: '', o: 'patch', v: [{ p: PART, o: 'append', v }] })),
    },
    { weight: 1, arbitrary: fc.constant<WireDelta>({ p: '/message/metadata/a', o: 'add', v: 1 }) },
  );
  const property = fc.property(fc.array(step, { minLength: 30, maxLength: 60 }), (steps) => {
    const all = growing(() => 0);
    const some = growing((document) => textIn(document).length);
    let longest = 0;
    for (const given of steps) {
      const characters = Array.from(all.text());
      longest = Math.max(longest, all.text().length);
      // Deeper than what is kept of the end, a truncate may be some units off.
      const cut = 'back' in given ? characters.slice(0, Math.max(0, characters.length - given.back)) : [];
      const isShallow = cut.join('').length >= longest - 1_000;
      const frame: WireDelta =
        'back' in given ? { p: PART, o: 'truncate', v: isShallow ? cut.length : characters.length } : given;
      all.push(frame);
      some.push(frame);
      const [full, rest] = [all.text(), some.text()];
      if (full.length !== rest.length || full.slice(-400) !== rest.slice(-400)) return false;
      if (Array.from(full).length !== Array.from(rest).length) return false;
    }
    isForgotten ||= some.text().startsWith('\u{1F642}\u{1F642}');
    return true;
  });
  let isForgotten = false;
  fc.assert(property, { numRuns: 10 });
  t.ok(isForgotten);
  t.end();
});

t.test('v1: an answer of megabytes that was said takes next to no memory', (t) => {
  for (const frame of [{ v: 'four' }, { p: PART, o: 'append', v: 'four' }]) {
    const held: StreamDecoder[] = [];
    const before = heapBytes();
    for (let stream = 0; stream < 3; stream += 1) {
      let length = 0;
      const decoder = new StreamDecoder(
        (event) => (length += 'text' in event ? event.text.length : 0),
        new Set(),
      );
      for (const first of [
        { p: '', o: 'add', v: envelope() },
        { p: PART, o: 'append', v: '.' },
      ])
        decoder.push({ name: 'delta', data: JSON.stringify(first) });
      const data = JSON.stringify(frame);
      for (let event = 0; event < 500_000; event += 1) {
        if (frame.p === undefined) decoder.pushText('four');
        else if (event < 250_000) decoder.push({ name: 'delta', data });
      }
      t.ok(length >= 1e6);
      held.push(decoder);
    }
    const perStream = (heapBytes() - before) / held.length;
    t.comment(`${Math.round(perStream / 1024)} KiB`);
    t.ok(perStream < 256 * 1024);
  }
  t.end();
});

/** A message with a long text. */
function growing(takenOf: TakenOf): { push: (frame: WireDelta) => void; text: () => string } {
  const documents = new DeltaDocuments(takenOf);
  const document = documents.apply({ p: '', o: 'add', v: envelope(), c: 0 })?.document as WireEnvelope;
  documents.apply({ p: PART, o: 'append', v: '\u{1F642} long '.repeat(9_000) });
  const push = (frame: WireDelta): void => {
    const isText = Object.keys(frame).length === 1 && documents.append(frame.v as string) !== null;
    if (!isText) documents.apply(structuredClone(frame));
  };
  return { push, text: () => textIn(document) };
}

function textIn({ message }: WireEnvelope): string {
  const parts = message?.content?.parts;
  return Array.isArray(parts) ? String(parts[0]) : '';
}

/** After a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

t.test('v1: hostile patches change nothing they should not', (t) => {
  const documents = new DeltaDocuments();
  documents.apply({ p: '', o: 'add', v: { list: [], map: {} }, c: 0 });
  const deep = '/map'.repeat(5000);
  const hostile: WireDelta[] = [
    { p: '/list/4294967294', o: 'add', v: 1 },
    { p: '/list/1e9', o: 'add', v: 1 },
    { p: '/list/-1', o: 'add', v: 1 },
    { p: '/list/length', o: 'replace', v: 4_000_000_000 },
    { p: '/list', o: 'truncate', v: 4_000_000_000 },
    { p: '/__proto__/polluted', o: 'add', v: 1 },
    { p: '/map/__proto__', o: 'add', v: { polluted: 1 } },
    { p: '/constructor/prototype/polluted', o: 'add', v: 1 },
    { p: '/map/toString/x', o: 'add', v: 1 },
    { p: deep, o: 'add', v: 1 },
    { p: 'no-slash', o: 'add', v: 1 },
    { p: '/map', o: 'append', v: JSON.parse('{"__proto__":{"polluted":1}}') },
    { p: '', o: 'append', v: JSON.parse('{"__proto__":{"polluted":1}}') },
    { p: '', o: 'patch', v: [null, 1, { p: 5, o: {}, v: [] }, { p: '/list/9', o: 'add', v: 1 }] },
  ];
  for (const frame of hostile) documents.apply(frame);
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const after = documents.apply({ p: '/done', o: 'add', v: true })?.document as unknown as {
    list: unknown[];
    map: object;
  };
  t.equal(after.list.length, 0);
  t.equal(Object.getPrototypeOf(after.map), Object.prototype);
  t.end();
});

t.test('property: no sequence of frames throws anything but a typed error, or pollutes', (t) => {
  const path = fc.array(
    fc.constantFrom('message', 'content', 'parts', '0', '-', '__proto__', 'constructor', '99', ''),
    { maxLength: 5 },
  );
  const frame = fc.record(
    {
      c: fc.oneof(fc.nat(40), fc.anything()),
      p: fc.oneof(
        path.map((keys) => keys.map((key) => `/${key}`).join('')),
        fc.string(),
        fc.integer(),
      ),
      o: fc.constantFrom('add', 'replace', 'append', 'patch', 'remove', 'truncate', 'x', 3),
      v: fc.oneof(
        fc.anything(),
        fc.constant(envelope({ text: 'hi' })),
        fc.string(),
        fc.nat(),
        fc.array(fc.object()),
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 30 }), (frames) => {
      const payloads = frames.map((value) => {
        try {
          return JSON.stringify(value) ?? 'null';
        } catch {
          return 'null';
        }
      });
      read(payloads);
      return (
        ({} as Record<string, unknown>)['polluted'] === undefined &&
        Object.keys(Object.prototype).length === 0
      );
    }),
    { numRuns: 500 },
  );
  t.pass('held');
  t.end();
});

t.test('property: legacy and v1 of one text, however cut, give the same text', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 20 }),
      (pieces) => {
        const whole = pieces.join('');
        const legacy = pieces.map((_, at) => envelope({ text: pieces.slice(0, at + 1).join('') }));
        const deltas = pieces.map((piece, at) =>
          at === 0 ? { p: PART, o: 'append', v: piece } : { v: piece },
        );
        const fromLegacy = read([...prologue, envelope(), ...legacy, finished({ text: whole }), '[DONE]']);
        const fromV1 = read([
          { p: '', o: 'add', v: prologue[0], c: 0 },
          { v: prologue[1], c: 1 },
          { v: envelope(), c: 2 },
          ...deltas,
          {
            p: '',
            o: 'patch',
            v: [
              { p: '/message/end_turn', o: 'replace', v: true },
              { p: '/message/status', o: 'replace', v: 'finished_successfully' },
            ],
          },
          '[DONE]',
        ]);
        return fromLegacy.text === whole && JSON.stringify(fromLegacy) === JSON.stringify(fromV1);
      },
    ),
    { numRuns: 150 },
  );
  t.pass('held');
  t.end();
});
