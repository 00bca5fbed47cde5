import fc from 'fast-check';
import t from 'tap';
import { ChoiceSink } from '../../src/http/choice-sink.ts';
import { toAnswerModel } from '../../src/openai/answer-model.ts';
import { FencedBlock } from '../../src/openai/fenced-block.ts';
import { AnswerRenderer } from '../../src/openai/render.ts';
import type { ContentEvent } from '../../src/openai/render.ts';
import type { TurnEvent } from '../../src/conversation/events.ts';
import { loadTokenizer } from '../../src/tokens/tokenizer.ts';
import { AnswerRecorder } from '../helpers/answer-recorder.ts';

function render(...events: ContentEvent[]): string {
  const renderer = new AnswerRenderer();
  return events.map((event) => renderer.render(event)).join('') + renderer.end();
}

const text = (said: string): ContentEvent => ({ type: 'text-delta', text: said });
const code = (said: string, language: string | null = 'python'): ContentEvent[] => [
  { type: 'block-start', kind: 'code', language },
  { type: 'block-delta', text: said },
  { type: 'block-end' },
];
const output = (said: string): ContentEvent[] => [
  { type: 'block-start', kind: 'output', language: null },
  { type: 'block-delta', text: said },
  { type: 'block-end' },
];
const image = (link: string | null): ContentEvent => ({ type: 'image', link });

t.test('text passes, messages are paragraphs', (t) => {
  t.equal(render(text('a'), text('b')), 'ab');
  t.equal(render(text('a'), { type: 'message-break' }, text('b')), 'a\n\nb');
  t.equal(render(text('a\n'), { type: 'message-break' }, text('b')), 'a\n\nb');
  t.equal(render(text('a\n'), text('\n'), { type: 'message-break' }, text('b')), 'a\n\nb');
  t.equal(render({ type: 'message-break' }, text('b')), 'b');
  t.end();
});

t.test('blocks', (t) => {
  t.equal(
    render(text('Running.'), ...code('print(6*7)'), ...output('42\n'), text('It is 42.')),
    'Running.\n\n```python\nprint(6*7)\n```\n\n```output\n42\n```\n\nIt is 42.',
  );
  t.equal(render(...code('x', null)), '```\nx\n```');
  t.equal(render(...code('x', 'a b`c')), '```\nx\n```', 'a fence takes plain names only');
  t.equal(render(...code('')), '', 'no stray fence');
  t.equal(render(...code('').slice(0, 1)), '');
  t.equal(render(text('a'), ...code('x').slice(0, 2)), 'a\n\n```python\nx\n```', 'one that is cut is closed');
  t.end();
});

t.test('a fence is longer than what could end the block', (t) => {
  t.equal(render(...code('```\nx\n```\n', 'md')), '````md\n```\nx\n```\n````');
  t.equal(render(...code('a ``` b\n', 'md')), '```md\na ``` b\n```', 'within a line nothing ends it');
  t.equal(render(...code('a\n````\nb', 'md')), '```md\na\n```\n\n`````md\n````\nb\n`````');
  t.equal(render(...code('    ```\n', 'md')), '```md\n    ```\n```', 'too far indented');
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('`', '``', '```', '`````', ' ', '   ', '\n', 'x', 'md'), { maxLength: 40 }),
      (pieces) => {
        const whole = new FencedBlock('md');
        const split = new FencedBlock('md');
        const said = pieces.join('');
        const out = whole.push(said) + whole.close();
        t.equal(pieces.map((piece) => split.push(piece)).join('') + split.close(), out);
        const shown = unfence(out);
        t.equal(shown, said === '' || said.endsWith('\n') ? said : `${said}\n`);
      },
    ),
    { numRuns: 300 },
  );
  t.end();
});

/** What a Markdown reader shows of blocks; throws when anything stands outside of them. */
function unfence(markdown: string): string {
  let shown = '';
  let fence = 0;
  for (const line of markdown.split('\n')) {
    const run = /^ {0,3}(`{3,})\s*$/.exec(line)?.[1]?.length ?? 0;
    if (fence === 0 && line.startsWith('```')) fence = /^`+/.exec(line)?.[0].length ?? 0;
    else if (fence === 0 && line !== '') throw new Error(`outside: ${line}`);
    else if (fence > 0 && run >= fence) fence = 0;
    else if (fence > 0) shown += `${line}\n`;
  }
  if (fence > 0) throw new Error('left open');
  return shown;
}

t.test('images, files, sources', (t) => {
  t.equal(
    render(text('Here:'), image('https://x/a(1).png'), image(null), text('Nice.')),
    'Here:\n\n![image](https://x/a%281%29.png)\n\nThe image could not be loaded.\n\nNice.',
  );
  const file = (link: string | null): ContentEvent => ({ type: 'file', link, path: '/mnt/data/r.csv' });
  t.equal(render(text('[Get]('), file('https://x/r'), text(')')), '[Get](https://x/r)');
  t.equal(render(text('[Get]('), file(null), text(')')), '[Get](sandbox:/mnt/data/r.csv)');
  const one = { title: 'One', url: 'https://e.example/1' };
  const odd = { title: 'a]( [b\\', url: 'https://e.example/a_(b)' };
  t.equal(
    render(text('Ice'), { type: 'citation', links: [one] }, text('.')),
    'Ice ([One](https://e.example/1)).',
  );
  t.equal(
    render(text('Ice '), { type: 'citation', links: [one, odd] }),
    'Ice ([One](https://e.example/1), [a\\]( \\[b\\\\](https://e.example/a_%28b%29))',
  );
  t.end();
});

t.test('thoughts stand beside the answer and count for themselves', async (t) => {
  const tokenizer = await loadTokenizer('o200k_base');
  const recorder = new AnswerRecorder();
  const sink = new ChoiceSink(0, recorder, { stop: [], tokens: { tokenizer, max: 3 } });
  const events: TurnEvent[] = [
    { type: 'turn-start', conversationId: 'c', messageId: 'm', modelSlug: 'o3' },
    { type: 'reasoning-delta', text: 'one two three ' },
    { type: 'reasoning-delta', text: 'four five six' },
    { type: 'text-delta', text: 'a b c d e f' },
    { type: 'turn-end', reason: 'stop' },
  ];
  for (const event of events) if (!sink.satisfied) sink.write(event);
  t.strictSame(recorder.said, [
    ['reasoning', 'one two three four five six'],
    ['text', 'a b c'],
    ['end', 'length'],
  ]);
  t.equal(sink.contentTokens, 3);
  t.equal(sink.reasoningTokens, tokenizer.count('one two three four five six'));
});

t.test('the model that answers', (t) => {
  const names = { reported: 'gpt-4o-2024-05-13', asked: 'gpt-4o' };
  t.equal(toAnswerModel(names, null), 'gpt-4o-2024-05-13');
  t.equal(toAnswerModel(names, 'gpt-4o'), 'gpt-4o-2024-05-13');
  t.equal(toAnswerModel(names, 'gpt-4o-mini'), 'gpt-4o-mini');
  t.equal(toAnswerModel(names, 'no model\n'), 'gpt-4o-2024-05-13');
  t.end();
});
