import t from 'tap';
import type { Test } from 'tap';
import type { DecodedEvent, EndReason } from '../../../src/conversation/events.ts';
import { StreamDecoder } from '../../../src/upstream/protocol/stream-decoder.ts';
import { done, envelope, read } from '../../helpers/messages.ts';
import type { MessageFields } from '../../helpers/messages.ts';

const START: DecodedEvent = { type: 'turn-start', conversationId: 'c-1', messageId: 'a-1', modelSlug: null };
const STOP: DecodedEvent = { type: 'turn-end', reason: 'stop' };
const text = (said: string): DecodedEvent => ({ type: 'text-delta', text: said });
const thought = (said: string): DecodedEvent => ({ type: 'reasoning-delta', text: said });
const cited = (title: string, url: string): DecodedEvent => ({ type: 'citation', links: [{ title, url }] });
const image = (pointer: string): DecodedEvent => ({
  type: 'image',
  link: { kind: 'pointer', pointer, conversationId: 'c-1' },
});
const block = (kind: 'code' | 'output', language: string | null, said: string): DecodedEvent[] => [
  { type: 'block-start', kind, language },
  { type: 'block-delta', text: said },
  { type: 'block-end' },
];
/** An event, or the end together with the message that the answer ended in. */
type Seen =
  | DecodedEvent
  | { readonly type: 'turn-end'; readonly reason: EndReason; readonly messageId: string };
const stopAt = (messageId: string): Seen => ({ type: 'turn-end', reason: 'stop', messageId });

const final = (given: MessageFields = {}): object => done({ end_turn: true, ...given });
const PART = '/message/content/parts/0';
const pictures = (...pointers: string[]): object => ({
  content_type: 'multimodal_text',
  parts: pointers.map((asset_pointer) => ({ content_type: 'image_asset_pointer', asset_pointer, height: 8 })),
});

/** All that is read of the payloads; fails on an error. */
function events(t: Test, ...payloads: unknown[]): Seen[] {
  const seen = read([...payloads, '[DONE]']);
  t.equal(seen.error, null);
  let messageId: string | null = null;
  return seen.events.flatMap((event): Seen[] => {
    if (event.type === 'message-start') messageId = event.messageId;
    if (event.type === 'message-start') return [];
    return [event.type === 'turn-end' && messageId !== null ? { ...event, messageId } : event];
  });
}

t.test('drawing, the older way', (t) => {
  const call = { id: 'a-1', recipient: 'dalle.text2im' };
  const tool = { id: 't-1', role: 'tool', name: 'dalle.text2im' };
  const seen = events(
    t,
    envelope({ ...call, text: '{"prompt":"a' }),
    done({ ...call, text: '{"prompt":"a cat"}' }),
    done({ ...tool, content: pictures('file-service://file-cat', 'file-service://file-cat') }),
    done({ ...tool, content: pictures('file-service://file-cat') }),
    done({ ...tool, id: 't-2', text: 'Do not describe the image.' }),
    final({ id: 'a-2', text: 'Here it is.' }),
  );
  t.strictSame(seen, [
    START,
    thought('a cat'),
    image('file-service://file-cat'),
    text('Here it is.'),
    stopAt('a-2'),
  ]);
  t.end();
});

t.test('drawing, the newer way: sketches are not shown', (t) => {
  const call = { id: 'a-1', recipient: 't2uay3k.sj1i4kz' };
  const tool = { id: 't-1', role: 'tool', name: 't2uay3k.sj1i4kz' };
  const seen = events(
    t,
    done({ ...call, content: { content_type: 'code', language: 'json', text: '{"prompt":"a dog","n":1}' } }),
    envelope({ ...tool, content: pictures('sediment://file_sketch') }),
    envelope({ ...tool, content: pictures('sediment://file_sketch2') }),
    done({ ...tool, content: pictures('sediment://file_dog'), end_turn: true }),
  );
  t.strictSame(seen, [START, thought('a dog'), image('sediment://file_dog'), stopAt('t-1')]);
  const hostile = events(
    t,
    done({ ...tool, content: pictures('https://e.example/x.png', 'javascript:1', 'file-service://') }),
    final({ text: 'x' }),
  );
  t.strictSame(hostile, [START, text('x'), STOP]);
  t.end();
});

t.test('running code', (t) => {
  const code = (said: string): object => ({ content_type: 'code', language: 'unknown', text: said });
  const output = (said: string): object => ({ content_type: 'execution_output', text: said });
  const call = { id: 'a-2', recipient: 'python' };
  const tool = { id: 't-1', role: 'tool', name: 'python' };
  const drawn = {
    aggregate_result: {
      status: 'success',
      messages: [
        { message_type: 'stream', stream_name: 'stdout', text: '42\n' },
        { message_type: 'image', image_url: 'file-service://file-plot', width: 1, height: 1 },
      ],
    },
  };
  const seen = events(
    t,
    done({ text: 'Running.' }),
    envelope({ ...call, content: code('') }),
    envelope({ ...call, content: code('print(') }),
    done({ ...call, content: code('print(6*7)') }),
    envelope({ ...tool, content: output('') }),
    envelope({ ...tool, content: output('4') }),
    done({ ...tool, content: output('42\n'), metadata: drawn }),
    done({ ...tool, content: output('42\n'), metadata: drawn }),
    envelope({ id: 'a-3', text: 'It is 42. [Get](sandb' }),
    envelope({ id: 'a-3', text: 'It is 42. [Get](sandbox:/mnt/data/r' }),
    final({ id: 'a-3', text: 'It is 42. [Get](sandbox:/mnt/data/r.csv) (really)' }),
  );
  const path = '/mnt/data/r.csv';
  t.strictSame(seen, [
    START,
    text('Running.'),
    ...block('code', 'python', 'print(6*7)'),
    ...block('output', null, '42\n'),
    image('file-service://file-plot'),
    { type: 'message-break' },
    text('It is 42. [Get]('),
    { type: 'file', path, link: { kind: 'sandbox', path, messageId: 'a-3', conversationId: 'c-1' } },
    text(') (really)'),
    stopAt('a-3'),
  ]);
  const quiet = events(
    t,
    done({
      ...call,
      content: { content_type: 'code', language: 'Bash', text: 'ls' },
      recipient: 'container.exec',
    }),
    envelope({ ...tool, content: output('') }),
    done({ ...tool, content: output('') }),
    done({ ...tool, id: 't-2', content: { content_type: 'system_error', name: 'E', text: 'Timed out' } }),
    final({ id: 'a-3', text: 'ok' }),
  );
  t.strictSame(quiet.slice(1), [
    ...block('code', 'bash', 'ls'),
    ...block('output', null, 'Timed out'),
    text('ok'),
    stopAt('a-3'),
  ]);
  t.end();
});

const citation = (start: number, end: number, title: string, url: string): object => ({
  start_ix: start,
  end_ix: end,
  citation_format_type: 'tether_og',
  invalid_reason: null,
  metadata: { type: 'webpage', title, url, text: '', pub_date: null, extra: null },
});

t.test('browsing and what it found', (t) => {
  const said = 'Facts\u30100\u2020source\u3011 and 😀\u30101\u2020source\u3011.';
  const first = citation(5, 15, 'One', 'https://e.example/1');
  const second = citation(21, 31, 'Two\u0000\n', 'https://e.example/2');
  const quote = { content_type: 'tether_quote', url: 'https://e.example', text: 'hidden', title: 'x' };
  const seen = events(
    t,
    done({
      recipient: 'browser',
      content: { content_type: 'code', language: 'unknown', text: 'search("x")' },
    }),
    done({
      id: 't-1',
      role: 'tool',
      name: 'browser',
      content: { content_type: 'tether_browsing_display', result: 'hidden' },
    }),
    done({ id: 't-2', role: 'tool', name: 'browser', content: quote }),
    envelope({ id: 'a-2', text: said.slice(0, 9) }),
    envelope({ id: 'a-2', text: said.slice(0, 15) }),
    envelope({ id: 'a-2', text: said.slice(0, 15), metadata: { citations: [first] } }),
    envelope({ id: 'a-2', text: said, metadata: { citations: [first] } }),
    final({ id: 'a-2', text: said, metadata: { citations: [first, second] } }),
  );
  t.strictSame(seen, [
    START,
    thought('search("x")'),
    text('Facts'),
    cited('One', 'https://e.example/1'),
    text(' and 😀'),
    cited('Two', 'https://e.example/2'),
    text('.'),
    stopAt('a-2'),
  ]);
  t.end();
});

t.test('citations that lead nowhere leave nothing, other brackets stay', (t) => {
  const said = (given: object, words = 'a\u30103\u2020source\u3011b'): string =>
    events(t, envelope({ text: words }), final({ text: words, metadata: given }))
      .map((event) => (event.type === 'text-delta' ? event.text : `<${event.type}>`))
      .slice(1, -1)
      .join('');
  t.equal(said({}), 'ab');
  t.equal(said({ citations: 'x', content_references: [null, 1, {}] }), 'ab');
  t.equal(said({ citations: [citation(1, 11, 'x', 'javascript:alert(1)')] }), 'ab');
  t.equal(
    said({ citations: [{ ...citation(1, 11, 'x', 'https://e.example'), invalid_reason: 'gone' }] }),
    'ab',
  );
  t.equal(said({ citations: [citation(30, 40, 'x', 'https://e.example')] }), 'ab');
  t.equal(said({ citations: [citation(1, 11, 'x', 'https://e.example')] }), 'a<citation>b');
  t.equal(
    said({}, '\u3010\u91cd\u8981\u3011 \u2020 (sandbox) (sandbox:) \u30103\u3011'),
    '\u3010\u91cd\u8981\u3011 \u2020 (sandbox) (sandbox:) \u30103\u3011',
  );
  t.equal(said({}, 'cut off\u30103\u2020sour'), 'cut off');
  t.equal(said({}, 'cut off \uE200cite\uE202turn0'), 'cut off ');
  t.equal(said({}, 'stray \uE200x\uE201 \uE203y\uE204 \uE206\uE202z\uE201'), 'stray  y z');
  t.end();
});

t.test('reasoning, the older way', (t) => {
  const tool = { id: 't-1', role: 'tool', name: 'a8km123' };
  const metadata = { initial_text: 'Thinking', model_slug: 'o1-preview' };
  const seen = events(
    t,
    envelope({ ...tool, metadata }),
    envelope({ ...tool, metadata, text: 'Weighing' }),
    done({ ...tool, metadata: { ...metadata, finished_text: 'Thought for 4 seconds' }, text: 'Weighing it' }),
    final({ id: 'a-2', text: 'Rome.' }),
  );
  t.strictSame(seen, [
    { type: 'turn-start', conversationId: 'c-1', messageId: 't-1', modelSlug: 'o1-preview' },
    thought('Weighing it\n\nThought for 4 seconds'),
    text('Rome.'),
    stopAt('a-2'),
  ]);
  t.end();
});

t.test('v1 A: plain text', (t) => {
  const seen = events(
    t,
    { p: '', o: 'add', v: done({ id: 's', role: 'system', weight: 0 }), c: 0 },
    { v: done({ id: 'u', role: 'user', text: 'Hi' }), c: 1 },
    { v: envelope({ metadata: { model_slug: 'gpt-4o' } }), c: 2 },
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
        { p: '/message/metadata', o: 'append', v: { finish_details: { type: 'stop' } } },
      ],
    },
  );
  t.strictSame(seen, [{ ...START, modelSlug: 'gpt-4o' }, text('Hello there, friend!'), STOP]);
  t.end();
});

t.test('v1 B: thoughts, then the answer', (t) => {
  const ends = (endTurn: boolean): object => ({
    p: '',
    o: 'patch',
    v: [
      { p: '/message/status', o: 'replace', v: 'finished_successfully' },
      { p: '/message/end_turn', o: 'replace', v: endTurn },
    ],
  });
  const seen = events(
    t,
    { p: '', o: 'add', v: envelope({ content: { content_type: 'thoughts', thoughts: [] } }), c: 3 },
    { p: '/message/content/thoughts', o: 'append', v: [{ summary: 'Plan', content: 'Look' }] },
    { p: '/message/content/thoughts/0/content', v: ' up' },
    { v: ' facts' },
    { p: '/message/content/thoughts', o: 'append', v: [{ summary: 'Check', content: 'Twice' }] },
    ends(false),
    {
      o: 'add',
      v: done({ id: 'r-1', content: { content_type: 'reasoning_recap', content: 'Thought for 5 s' } }),
      c: 4,
    },
    { v: envelope({ id: 'a-2' }), c: 5 },
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
    ends(true),
  );
  t.strictSame(seen, [
    START,
    thought('Plan\nLook up facts\n\nCheck\nTwice\n\nThought for 5 s'),
    text('Rome is old.'),
    stopAt('a-2'),
  ]);
  t.end();
});

t.test('v1 C: a source that is known late, a text cut back', (t) => {
  const marker = '\uE200cite\uE202turn0search2\uE201';
  const reference = { matched_text: marker, start_idx: 11, end_idx: 30, type: 'hidden' };
  const seen = events(
    t,
    { p: '', o: 'add', v: envelope({ metadata: { content_references: [] } }), c: 5 },
    {
      p: '',
      o: 'patch',
      v: [
        { p: PART, o: 'append', v: `Ice floats ${marker}` },
        { p: '/message/metadata/content_references', o: 'append', v: [reference] },
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
    { p: '/message/status', o: 'replace', v: 'finished_successfully' },
    { p: '/message/end_turn', o: 'replace', v: true },
  );
  t.strictSame(seen, [START, text('Ice floats '), cited('Ice', 'https://ex.test/ice'), text('.'), STOP]);
  t.end();
});

t.test('v1 D: a call of a tool', (t) => {
  const code = { content_type: 'code', language: 'unknown', text: '' };
  const seen = events(
    t,
    { p: '', o: 'add', v: envelope({ recipient: 'python', content: code }), c: 0 },
    { p: '/message/content/text', o: 'append', v: 'print(' },
    { v: '6*7)' },
    { p: '/message/status', o: 'replace', v: 'finished_successfully' },
    {
      p: '',
      o: 'add',
      v: done({ id: 't-1', role: 'tool', content: { content_type: 'execution_output', text: '42\n' } }),
      c: 1,
    },
    { v: envelope({ id: 'a-2' }), c: 2 },
    { p: PART, o: 'append', v: 'It is 42.' },
  );
  t.strictSame(seen, [
    START,
    ...block('code', 'python', 'print(6*7)'),
    ...block('output', null, '42\n'),
    text('It is 42.'),
    stopAt('a-2'),
  ]);
  t.end();
});

t.test('references in every form', (t) => {
  const marker = '\uE200cite\uE202turn0search1\uE201';
  const of = (reference: object | null, words = `a ${marker}b`): DecodedEvent[] =>
    events(
      t,
      envelope({ text: words }),
      final({
        text: words,
        metadata: { content_references: reference === null ? [] : [{ matched_text: marker, ...reference }] },
      }),
    ).slice(1, -1);
  const item = { title: 'One', url: 'https://e.example/1' };
  t.strictSame(of({ type: 'webpage', alt: '([x](https://e.example/x))', items: [item] }), [
    text('a ([x](https://e.example/x))b'),
  ]);
  t.strictSame(of({ type: 'grouped_webpages', alt: '', items: [item, item, { url: 'ftp://x' }, 7] }), [
    text('a '),
    cited('One', 'https://e.example/1'),
    text('b'),
  ]);
  t.strictSame(of({ type: 'webpage', title: '', url: 'https://e.example/own' }), [
    text('a '),
    cited('e.example', 'https://e.example/own'),
    text('b'),
  ]);
  for (const nothing of [null, { type: 'hidden' }, { type: 'image_v2' }, { type: 'file', items: 4 }]) {
    t.strictSame(of(nothing), [text('a b')]);
  }
  const row = `${marker}\uE200cite\uE202turn0search9\uE201`;
  t.strictSame(of({ matched_text: row, items: [item] }, `a ${row}b`), [
    text('a '),
    cited('One', 'https://e.example/1'),
    text('b'),
  ]);
  t.end();
});

t.test('markers of one text are told apart by their place', (t) => {
  const marker = '\uE200cite\uE202turn0search1\uE201';
  const words = `😀${marker} and ${marker}`;
  const reference = (start: number, url: string): object => ({
    matched_text: marker,
    start_idx: start,
    items: [{ title: 'T', url }],
  });
  const second = 1 + marker.length + 5;
  const references = [reference(second, 'https://e.example/2'), reference(1, 'https://e.example/1')];
  const seen = events(t, final({ text: words, metadata: { content_references: references } }));
  t.strictSame(seen.slice(1, -1), [
    text('😀'),
    cited('T', 'https://e.example/1'),
    text(' and '),
    cited('T', 'https://e.example/2'),
  ]);
  t.end();
});

t.test('a source is told as soon as it is known', (t) => {
  const words = 'a\u30100\u2020source\u3011';
  const citations = [citation(1, 11, 'One', 'https://e.example/1')];
  const early = read([envelope({ text: words }), envelope({ text: words, metadata: { citations } })]);
  t.strictSame(early.events, [START, text('a'), cited('One', 'https://e.example/1')]);
  t.end();
});

t.test('what waits for a source does not wait for ever', (t) => {
  const said = `a\u30100\u2020source\u3011${'b'.repeat(3000)}`;
  const early = read([envelope({ text: said })]);
  t.strictSame(early.events.slice(1), [text(`a${'b'.repeat(3000)}`)]);
  const other = read([
    envelope({ text: 'a\u30100\u2020source\u3011b' }),
    envelope({ id: 'a-2', text: 'next' }),
  ]);
  t.strictSame(other.events.slice(1), [
    text('ab'),
    { type: 'message-start', conversationId: 'c-1', messageId: 'a-2' },
    { type: 'message-break' },
    text('next'),
  ]);
  t.end();
});

t.test('the canvas: documents are text, code is a block', (t) => {
  const write = (json: string, recipient = 'canmore.create_textdoc'): DecodedEvent[] => {
    const states = Array.from(json).map((_, at) => envelope({ recipient, text: json.slice(0, at) }));
    const tool = done({ id: 't-1', role: 'tool', name: recipient, text: 'Successfully created' });
    return events(
      t,
      ...states,
      done({ recipient, text: json }),
      tool,
      final({ id: 'a-2', text: 'Done.' }),
    ).slice(1);
  };
  t.strictSame(
    write(JSON.stringify({ name: 'x "content"', type: 'document', content: '# T\n"q" \\ 😀\u0007' }) + ' '),
    [text('# T\n"q" \\ 😀\u0007'), { type: 'message-break' }, text('Done.'), stopAt('a-2')],
  );
  t.strictSame(write('{"name":"x","type":"code/python","content":"print(\\"\\ud83d\\ude00\\")"}'), [
    ...block('code', 'python', 'print("😀")'),
    text('Done.'),
    stopAt('a-2'),
  ]);
  const updates = [
    { pattern: 'a', replacement: 'b' },
    { pattern: 'c', replacement: 'd' },
  ];
  t.strictSame(write(JSON.stringify({ updates }), 'canmore.update_textdoc').slice(0, 6), [
    ...block('code', null, 'b'),
    ...block('code', null, 'd'),
  ]);
  t.end();
});

t.test('what is not for the user stays away', (t) => {
  const seen = events(
    t,
    done({ id: 'h1', recipient: 'bio', text: 'remember' }),
    done({ id: 'h2', role: 'tool', name: 'bio', text: 'Model set context updated.' }),
    done({ id: 'h3', recipient: 'file_search.msearch', text: '{"queries":[]}' }),
    done({ id: 'h4', role: 'tool', name: 'myfiles_browser', content: pictures('file-service://file-page') }),
    done({
      id: 'h5',
      recipient: 'api_example_com__jit_plugin.run',
      content: { content_type: 'code', language: 'json', text: '{}' },
    }),
    done({
      id: 'h11',
      recipient: 'myfiles_browser',
      content: { content_type: 'code', language: 'unknown', text: 'msearch(["x"])' },
    }),
    done({ id: 'h6', content: { content_type: 'model_editable_context', model_set_context: 'x' } }),
    done({ id: 'h7', role: 'user', content: { content_type: 'user_editable_context', user_profile: 'x' } }),
    done({ id: 'h8', recipient: 'canmore.comment_textdoc', text: '{"comments":[]}' }),
    done({
      id: 'h9',
      role: 'tool',
      name: 'python',
      weight: 0,
      content: { content_type: 'execution_output', text: 'x' },
    }),
    done({ id: 'h10', content: { content_type: 'app_pairing_content', text: 'x' } }),
    envelope({ id: 'r1', channel: 'analysis', text: 'Hmm\uE200cite\uE202tur' }),
    done({
      id: 'r1',
      channel: 'analysis',
      text: 'Hmm\uE200cite\uE202turn0search1\uE201\u30101\u2020source\u3011',
    }),
    done({ id: 'r2', channel: 'commentary', text: 'Looking' }),
    final({ channel: 'final', text: 'Hi \uE203there\uE204' }),
  );
  t.strictSame(seen, [
    { ...START, messageId: 'r1' },
    thought('Hmm\n\nLooking'),
    text('Hi there'),
    stopAt('a-1'),
  ]);
  t.end();
});

t.test('how answers end', (t) => {
  const end = (given: MessageFields): unknown =>
    read([final({ text: 'x', ...given }), '[DONE]']).events.at(-1);
  t.match(end({ metadata: { finish_details: { type: 'max_tokens' } }, end_turn: false }), {
    reason: 'length',
  });
  t.match(end({ metadata: { finish_details: { type: 'interrupted' } } }), { reason: 'length' });
  t.match(end({ status: 'finished_partial_completion', end_turn: null }), { reason: 'length' });
  const code = { content_type: 'code', language: 'python', text: 'print(' };
  const blocked = { type: 'moderation', moderation_response: { blocked: true } };
  t.strictSame(read([envelope({ recipient: 'python', content: code }), blocked]).events.slice(1), [
    ...block('code', 'python', 'print('),
    { type: 'turn-end', reason: 'content_filter' },
  ]);
  const thoughts = { content_type: 'thoughts', thoughts: [{ summary: 's', content: 'c' }] };
  t.match(read([done({ content: thoughts }), final({ id: 'a-2' }), '[DONE]']).error, {
    code: 'upstream_protocol_error',
  });
  t.end();
});

/** What the decoder says at the end of payloads that put a drawing off. */
function pendingAfter(payloads: readonly unknown[]) {
  const seen: DecodedEvent[] = [];
  const decoder = new StreamDecoder((event) => seen.push(event), new Set(['asked']));
  const push = (data: string): void => decoder.push({ name: '', data });
  for (const payload of payloads) push(typeof payload === 'string' ? payload : JSON.stringify(payload));
  decoder.end();
  return { pending: decoder.pending, hasContent: decoder.hasContent, seen };
}

t.test('a drawing that comes after the stream', (t) => {
  const call = done({ id: 'a-1', recipient: 't2uay3k.sj1i4kz', text: '{"prompt":"a cat"}' });
  const tool = { id: 't-1', role: 'tool', name: 't2uay3k.sj1i4kz' };
  const metadata = { image_gen_async: true, image_gen_task_id: 'task-1', async_task_type: 'image_gen' };
  const promise = done({ ...tool, text: 'Wait.', metadata });
  const sketch = envelope({ ...tool, content: pictures('sediment://file_1'), metadata });
  const pending = { conversationId: 'c-1', messageId: 't-1' };
  const quiet = { pending, hasContent: false, seen: [START, thought('a cat'), STOP] };

  t.strictSame(pendingAfter([call, promise, '[DONE]']), quiet);
  t.strictSame(pendingAfter([call, promise]), quiet, 'also when the stream just ends');
  t.strictSame(pendingAfter([call, sketch]), quiet, 'a sketch is no picture yet');
  const delta = [
    { p: '', o: 'add', v: call, c: 0 },
    { v: envelope({ ...tool, text: '' }), c: 1 },
    { p: '/message', o: 'patch', v: [{ p: '/metadata', o: 'append', v: metadata }] },
  ];
  t.strictSame(pendingAfter([...delta, '[DONE]']), quiet, 'in patches');
  const said = pendingAfter([call, promise, final({ id: 'a-2', text: 'Soon.' }), '[DONE]']);
  t.match(said, { pending, hasContent: true });
  t.strictSame(said.seen.at(-1), STOP);
  t.end();
});

t.test('a drawing that comes in the stream after all, or never, is not waited for', (t) => {
  const tool = { id: 't-1', role: 'tool', name: 't2uay3k.sj1i4kz', metadata: { image_gen_async: true } };
  const promise = done({ ...tool, text: 'Wait.' });
  const picture = done({ ...tool, content: pictures('sediment://file_1') });
  t.equal(pendingAfter([promise, { ...picture }, '[DONE]']).pending, null);
  t.equal(pendingAfter([picture, promise, '[DONE]']).pending, null, 'whichever comes last');
  const asked = { ...promise, message: { ...promise.message, id: 'asked' } };
  t.throws(() => pendingAfter([asked, '[DONE]']), { code: 'upstream_protocol_error' });
  const blocked = { type: 'moderation', moderation_response: { blocked: true } };
  t.equal(pendingAfter([promise, blocked]).pending, null);
  t.match(read([{ ...promise, conversation_id: null }, '[DONE]']).error, { code: 'upstream_protocol_error' });
  const sync = { image_gen_task_id: 'task-1', async_task_type: 'image_gen' };
  t.match(read([done({ ...tool, metadata: sync }), '[DONE]']).error, { code: 'upstream_protocol_error' });
  t.end();
});
