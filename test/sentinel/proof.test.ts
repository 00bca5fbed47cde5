import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { browserConfig } from '../../src/sentinel/browser-config.ts';
import { encodeConfig } from '../../src/sentinel/counter-text.ts';
import {
  encodeAnswer,
  isDifficulty,
  isTooHard,
  passes,
  requirementsToken,
  searchProof,
} from '../../src/sentinel/proof.ts';
import { fitToSeed } from '../../src/sentinel/fit-to-seed.ts';
import { createNodeHasher } from '../../src/sentinel/node-hasher.ts';
import type { SearchContext } from '../../src/sentinel/proof.ts';
import type { ProofTask, ProofText } from '../../src/threads/tasks.ts';
import { cutConfig } from '../helpers/cut-config.ts';

const SCRIPT = 'https://cdn.oaistatic.com/_next/static/abc/_ssgManifest.js?dpl=0123456789abcdef';
const DATE = 'Mon Jul 01 2024 10:00:00 GMT-0500 (Eastern Standard Time)';
const AGENT = 'Mozilla/5.0 (Test) Sim/1.0';
const TAIL = [
  'webdriver\u2212false',
  'location',
  'window',
  12345.678,
  '00000000-0000-4000-8000-000000000001',
];

const config = (screen: number, build: string, more: (string | number)[]): ProofText =>
  cutConfig([screen, DATE, 4294705152, AGENT, SCRIPT, build, 'en-US', 'en-US,es-US,en,es', ...TAIL, ...more]);
const CONFIG_15 = config(3016, 'dpl=0123456789abcdef', []);
const CONFIG_18 = config(3000, 'prod-0123456789abcdef', ['', 16, 1719846000000.5]);

const context = (overrides: Partial<SearchContext> = {}): SearchContext => ({
  hasher: createNodeHasher(),
  isCancelled: () => false,
  ...overrides,
});

const task = (seed: string, difficulty: string, text: ProofText, tries = 1_000_000): ProofTask => ({
  type: 'proof',
  seed,
  difficulty,
  text,
  from: 0,
  tries,
  cancel: new SharedArrayBuffer(4),
});

const jsonOf = (text: ProofText, counter: number): string =>
  Buffer.from(encodeConfig(text, counter), 'base64').toString();
const entriesOf = (text: ProofText, counter: number): unknown[] =>
  JSON.parse(jsonOf(text, counter)) as unknown[];
const sha3 = (text: string): Buffer => createHash('sha3-512').update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

t.test('the known challenges have their known answers', (t) => {
  const vectors = [
    [CONFIG_15, '0.42', '0fffff', 0, '02c74549e8bb1075', 444, 'a03475f1dd363bdf'],
    [CONFIG_15, '0.5', '00ffff', 110, '00c54c0215440107', 448, '3953d3403468d567'],
    [CONFIG_15, '0.7312', '000fff', 4266, '00048ef5372c7eaa', 452, '9dd22e439e1a5ac6'],
    [CONFIG_18, '0.42', '0fffff', 48, '04bf7c914957f00e', 476, '6c7634fc504440cb'],
    [CONFIG_18, '0.5', '00ffff', 311, '00545c5f6702a060', 480, 'f3a04e2ff527a635'],
    [CONFIG_18, '0.7312', '000fff', 4108, '000ffb9a1f46e1f2', 484, '35dcebdbaaf3fc7d'],
  ] as const;
  for (const [text, seed, difficulty, counter, digest, length, fingerprint] of vectors) {
    const result = searchProof(task(seed, difficulty, text), context());
    t.match(result, { type: 'solved', tries: counter + 1 });
    if (result.type !== 'solved') continue;
    t.equal(result.answer, encodeConfig(text, counter));
    t.equal(result.answer.length, length);
    t.ok(
      sha3(seed + result.answer)
        .toString('hex')
        .startsWith(digest),
    );
    t.ok(sha256(result.answer).startsWith(fingerprint));
  }
  t.end();
});

t.test('the text is base64 of UTF-8 with padding, behind its prefix', (t) => {
  const base64 = encodeConfig(CONFIG_15, 0);
  t.ok(base64.startsWith('WzMwMTYsIk1vbiBKdWwgMDEg'));
  t.ok(base64.endsWith('AxIl0='));
  t.equal(encodeAnswer(base64), `gAAAAAB${base64}`);
  t.end();
});

t.test('a digest that equals the difficulty passes', (t) => {
  t.match(searchProof(task('0.99', '8496c9', CONFIG_15), context()), { type: 'solved', tries: 1 });
  const digest = sha3(`0.99${encodeConfig(CONFIG_15, 0)}`);
  t.ok(passes(digest, '8496c9'));
  t.notOk(passes(digest, '8496c8'));
  t.ok(passes(digest, '8496C9'), 'upper case means the same');
  t.end();
});

t.test('difficulties of any length compare like their hex digits', (t) => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.stringMatching(/^[0-9a-f]{1,16}$/),
      (text, difficulty) =>
        passes(sha3(text), difficulty) ===
        sha3(text).toString('hex').slice(0, difficulty.length) <= difficulty,
    ),
  );
  t.end();
});

t.test('whatever the entries, the answer is the serialised array and its hash passes', (t) => {
  const entry = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.integer(), fc.constant(null));
  const seeds = fc.string({ unit: 'grapheme', maxLength: 90 });
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 9, maxLength: 24 }),
      seeds,
      fc.constantFrom('3', '3f', '0ff', '01ff', '00fff'),
      (entries, seed, difficulty) => {
        const result = searchProof(task(seed, difficulty, cutConfig(entries)), context());
        if (result.type !== 'solved') return false;
        const counter = result.tries - 1;
        const whole = [
          ...entries.slice(0, 3),
          counter,
          ...entries.slice(3, 8),
          counter >> 1,
          ...entries.slice(8),
        ];
        t.equal(
          Buffer.from(result.answer, 'base64').toString(),
          Buffer.from(JSON.stringify(whole)).toString(),
        );
        return passes(sha3(seed + result.answer), difficulty);
      },
    ),
    { numRuns: 60 },
  );
  t.end();
});

t.test('the search ends when told and when its counters are through', (t) => {
  let looks = 0;
  const cancelled = searchProof(
    task('0.1', '000000000000', CONFIG_15),
    context({ isCancelled: () => (looks += 1) > 3 }),
  );
  t.match(cancelled, { type: 'cancelled', tries: 192 });
  const none = searchProof(task('0.1', '000000000000', CONFIG_15, 500), context());
  t.match(none, { type: 'none', tries: 500 });
  t.end();
});

t.test('what is too hard', (t) => {
  for (const hard of ['000032', '000031', '000000', '00002', '00000', '00003200', '000032ff']) {
    t.ok(isTooHard(hard, '000032'), hard);
  }
  for (const easy of ['000033', '0fffff', '32', '00003', '0000', '00003300', '00032', 'FFFFFF']) {
    t.notOk(isTooHard(easy, '000032'), easy);
  }
  for (const garbage of ['', 'xyz', '0x12', '-1', ' 00', 'f'.repeat(129)])
    t.notOk(isDifficulty(garbage), garbage);
  t.end();
});

t.test('a browser config has the agent, the counters and the page in their places', (t) => {
  const text = browserConfig(
    { userAgent: AGENT, scripts: [SCRIPT], buildId: 'prod-1' },
    { nowMs: () => Date.UTC(2024, 6, 1, 15), random: () => 0.5, newId: () => 'an-id' },
    'nonce',
  );
  const entries = JSON.parse(Buffer.from(encodeConfig(text, 7), 'base64').toString()) as unknown[];
  t.equal(entries.length, 18);
  t.match(entries, { 1: DATE, 3: 7, 4: AGENT, 5: SCRIPT, 6: 'prod-1', 9: 3, 14: 'an-id', 15: '' });
  const token = requirementsToken(text, '0.123', (wanted) => searchProof(wanted, context()));
  t.match(token, /^gAAAAAC[A-Za-z0-9+/]+=*$/);
  t.equal((JSON.parse(Buffer.from(token.slice(7), 'base64').toString()) as unknown[])[4], AGENT);
  const hash = createHash('sha3-512')
    .update(`0.123${token.slice(7)}`)
    .digest('hex');
  t.ok(hash.slice(0, 6) <= '0fffff', 'the work was done');
  t.end();
});

t.test('a text for the tail search is what a browser sends, with all that changes in the last block', (t) => {
  const profile = { userAgent: AGENT, scripts: [SCRIPT], buildId: 'prod-1' };
  const seeds = fc.string({ unit: 'grapheme', maxLength: 90 });
  fc.assert(
    fc.property(seeds, fc.uuid({ version: 4 }), fc.nat(1_000_000), (seed, id, counter) => {
      const random = Math.random;
      const drawn = browserConfig(profile, { nowMs: Date.now, random, newId: () => id }, 'tail');
      const text = fitToSeed(drawn, seed, random);
      const entries = entriesOf(text, counter);
      const kept = (all: unknown[]): unknown[] => [...all.slice(0, 10), ...all.slice(15)];
      t.same(kept(entries), kept(entriesOf(drawn, 0)));
      t.match(entries[14], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      t.equal(entriesOf(text, 0)[14], id);
      t.equal(jsonOf(text, counter), JSON.stringify(entries), 'numbers are written as a browser writes them');
      t.ok(Number.isInteger(entries[3]) && entries.length === 18 && Number(entries[13]) > 999);
      const message = Buffer.from(seed + encodeConfig(text, 0));
      const digits = Buffer.byteLength(text.parts[0]) + 5;
      const place = Buffer.byteLength(seed) + Math.floor(digits / 3) * 4;
      t.ok(place >= message.length - (message.length % 72), 'three digits change in the last block');
    }),
  );
  t.end();
});
