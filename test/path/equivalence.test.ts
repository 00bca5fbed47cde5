import fc from 'fast-check';
import t from 'tap';
import type { Scenario } from '../../src/sandbox/scenario.ts';
import { FLOWS } from '../../src/sandbox/scenario.ts';
import { askChat, dataOf } from '../helpers/program.ts';
import { script } from '../helpers/random-script.ts';
import { ACCESS_TOKEN, startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

/** How upstream can tell a turn; the first is what the others are held against. */
const TELLINGS: Readonly<Record<string, Partial<Scenario>>> = {
  legacy: { encoding: 'legacy' },
  v1: { encoding: 'v1' },
  'v1 in odd pieces': { encoding: 'v1', chunking: { size: 7 }, lineEnd: 'crlf', pings: true },
  socket: { transport: 'websocket' },
  'socket with v1': { transport: 'websocket', encoding: 'v1', foreignFrames: true },
};

const NAME = /chatcmpl-\w+|[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}|file[-_][\da-f]{24}|sig=[\da-f]{32}/g;

/**
 * The stream with its names replaced by numbers, in order of appearance. Links have as many tokens
 * as chance will have it, so where there are some the count is left out.
 */
function anonymous(stream: string): string {
  const names = new Map<string, string>();
  const counted = stream.includes('/blob/') ? stream.replace(/"usage":\{.*?\}\}/, '"usage":{}') : stream;
  return counted.replaceAll(/"created":\d+/g, '"created":0').replaceAll(NAME, (name) => {
    const known = names.get(name) ?? `name-${names.size}`;
    names.set(name, known);
    return known;
  });
}

const FIELDS = { model: 'gpt-4o', stream_options: { include_usage: true } };

async function tell(world: World, scenario: Partial<Scenario>): Promise<string> {
  await world.scenario(scenario);
  const { status, text, isCut } = await askChat(world.port, {
    stream: true,
    token: ACCESS_TOKEN,
    fields: FIELDS,
  });
  if (status !== 200 || isCut) throw new Error(`${status} ${text}`);
  return anonymous(text);
}

interface Chunk {
  readonly choices?: readonly { readonly delta: { readonly content?: string } }[];
}

const contentOf = (stream: string): string =>
  dataOf(stream)
    .filter((data) => data !== '[DONE]')
    .map((data) => (JSON.parse(data) as Chunk).choices?.[0]?.delta.content ?? '')
    .join('');

/** What is searched for is put in each encoding's own words, among the thoughts. */
function withoutSearch(stream: string): string {
  return stream
    .replace(/^data: .*"reasoning_content".*\n\n/gm, '')
    .replace(/"usage":\{.*?\}\}/, '"usage":{}');
}

/** What must be in the answer, so that equality says something. */
const EXPECTED: Partial<Record<(typeof FLOWS)[number], RegExp>> = {
  drawing: /^!\[image\]\(http:\/\/[^)]+\/blob\/[^)]+\)\n\nHere is/,
  image_generation: /^!\[image\]\(http:\/\/[^)]+\/blob\/[^)]+\)\n\nHere is/,
  code: /```python\nimport csv[^]+\n```\n\n```output\n42\n4 rows\n```\n\n[^]+\[Get\]\(http:/,
  plot: /```output\n42\n4 rows\n```\n\n!\[image\]\(http:[^]+\[Get\]\(http:/,
  tool_error: /```output\nKeyboardInterrupt/,
  browsing: /floats \(\[Why ice floats\]\(https:\/\/physics\.example[^]+winter_%28season%29/,
  canvas: /# Draft/,
  two_messages: /Let me see what there is\.\n\nThere is nothing more to add\.$/,
  hidden: /^This is all there is to see\.$/,
};

t.test('one turn gives one stream, byte for byte, however upstream tells it', async (t) => {
  const world = await startWorld(t, { env: { HISTORY_DISABLED: 'false' } });

  for (const flow of FLOWS) {
    t.test(flow, async (t) => {
      const streams: string[] = [];
      for (const telling of Object.values(TELLINGS)) streams.push(await tell(world, { flow, ...telling }));
      const told = flow === 'browsing' ? streams.map(withoutSearch) : streams;
      const [first = '', ...others] = told;
      t.match(contentOf(first), EXPECTED[flow] ?? /./);
      t.notMatch(first, /SECRET|[\uE200-\uE206]|\u3010/);
      const names = Object.keys(TELLINGS).slice(1);
      for (const [at, other] of others.entries()) t.equal(other, first, names[at] ?? '');
    });
  }
});

t.test('calls of one caller that begin at once share a socket, and no answer loses a word', async (t) => {
  // Without proofs, so that nothing keeps them from beginning at once.
  const world = await startWorld(t, {
    scenario: { checkSentinel: false },
    env: { CONVERSATION_ONLY: 'true' },
  });
  const answer = Array.from({ length: 40 }, (_, at) => `word${at} `);
  const shape: Partial<Scenario> = { transport: 'websocket', encoding: 'v1', answer, eventDelayMs: 10 };
  // The others are handed over while the first one's socket stands: their frames come over that at once.
  await world.scenario([
    { ...shape, times: 1 },
    { ...shape, headersDelayMs: 150 },
  ]);
  const options = { stream: true, token: ACCESS_TOKEN, fields: FIELDS };
  const answers = await Promise.all(Array.from({ length: 8 }, () => askChat(world.port, options)));
  for (const { text } of answers) t.equal(contentOf(text), answer.join(''));
});

t.test('property: and whatever the turn is', async (t) => {
  const world = await startWorld(t, { env: { HISTORY_DISABLED: 'false' } });
  const property = fc.asyncProperty(script, async (states) => {
    const entries = states.map(({ message }) => ({ message }));
    const streams: string[] = [];
    for (const telling of Object.values(TELLINGS)) {
      streams.push(await tell(world, { script: entries, ...telling }));
    }
    const [one = '', ...rest] = streams;
    for (const [at, other] of rest.entries()) {
      if (other !== one) throw new Error(`${Object.keys(TELLINGS)[at + 1]}: ${other}\nlegacy: ${one}`);
    }
    if (!contentOf(one).endsWith('The end.')) throw new Error('cut');
  });
  await fc.assert(property, { numRuns: 10 });
  t.pass('held');
});
