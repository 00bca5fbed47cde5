import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { createSHA3 } from 'hash-wasm';
import t from 'tap';
import { encodeConfig } from '../../src/sentinel/counter-text.ts';
import { createNodeHasher } from '../../src/sentinel/node-hasher.ts';
import { searchProof } from '../../src/sentinel/proof.ts';
import type { ProofResult, ProofTask, ProofText } from '../../src/threads/tasks.ts';
import { loadKernel } from '../../workers/kernel/load.ts';
import solve, { engine } from '../../workers/proof.ts';
import { cutConfig } from '../helpers/cut-config.ts';

type Search = (task: ProofTask, isCancelled: () => boolean) => ProofResult;

const sha3 = await createSHA3(512);
const hasher = createNodeHasher();
const never = (): boolean => false;
const SEARCHES: Record<string, Search> = {
  simd: (task, isCancelled) => kernel('simd')(task, isCancelled),
  scalar: (task, isCancelled) => kernel('scalar')(task, isCancelled),
  plain: (task, isCancelled) => searchProof(task, { hasher, isCancelled }),
  worker: (task) => solve(task),
};
const LOADED = { simd: loadKernel(['simd']), scalar: loadKernel(['scalar']) };

function kernel(name: 'simd' | 'scalar'): Search {
  const loaded = LOADED[name];
  if (loaded === null) throw new Error(`the kernel ${name} does not load`);
  return loaded.search;
}

function taskOf(seed: string, difficulty: string, text: ProofText, from = 0, tries = 1_000_000): ProofTask {
  return { type: 'proof', seed, difficulty, text, from, tries, cancel: new SharedArrayBuffer(4) };
}

/** The whole message of a counter, hashed by a library that none of the searches uses here. */
function digestOf({ seed, text }: ProofTask, counter: number): string {
  return sha3
    .init()
    .update(seed + encodeConfig(text, counter))
    .digest('hex');
}

/** What the task asks for, found as plainly as can be. */
function searchPlainly(task: ProofTask): ProofResult {
  const difficulty = task.difficulty.toLowerCase();
  for (let tries = 1; tries <= task.tries; tries += 1) {
    const counter = task.from + tries - 1;
    if (digestOf(task, counter).slice(0, difficulty.length) > difficulty) continue;
    return { type: 'solved', answer: encodeConfig(task.text, counter), tries };
  }
  return { type: 'none', tries: task.tries };
}

const DATE = 'Mon Jul 01 2024 10:00:00 GMT-0500 (Eastern Standard Time)';
const AGENT = 'Mozilla/5.0 (Test) Sim/1.0';
const SCRIPT = 'https://cdn.oaistatic.com/_next/static/abc/_ssgManifest.js?dpl=0123456789abcdef';
const ID = '00000000-0000-4000-8000-000000000001';
const LANGUAGES = ['en-US', 'en-US,es-US,en,es', 'webdriver\u2212false', 'location', 'window'];
const known = (screen: number, build: string, more: (string | number)[]): ProofText =>
  cutConfig([screen, DATE, 4294705152, AGENT, SCRIPT, build, ...LANGUAGES, 12345.678, ID, ...more]);
const CONFIG_15 = known(3016, 'dpl=0123456789abcdef', []);
const CONFIG_18 = known(3000, 'prod-0123456789abcdef', ['', 16, 1719846000000.5]);

t.test('the known challenges have their known answers', (t) => {
  const vectors = [
    [CONFIG_15, '0.42', '0fffff', 0],
    [CONFIG_15, '0.5', '00ffff', 110],
    [CONFIG_15, '0.7312', '000fff', 4266],
    [CONFIG_18, '0.42', '0fffff', 48],
    [CONFIG_18, '0.5', '00ffff', 311],
    [CONFIG_18, '0.7312', '000fff', 4108],
    [CONFIG_15, '0.99', '8496c9', 0],
  ] as const;
  for (const [text, seed, difficulty, counter] of vectors) {
    const answer = encodeConfig(text, counter);
    for (const [name, search] of Object.entries(SEARCHES)) {
      t.same(
        search(taskOf(seed, difficulty, text), never),
        { type: 'solved', answer, tries: counter + 1 },
        name,
      );
    }
  }
  t.equal(engine, 'simd', 'this engine has vectors');
  t.end();
});

const part = fc.string({ unit: 'grapheme', maxLength: 120 });
const texts: fc.Arbitrary<ProofText> = fc.oneof(
  fc.record({ search: fc.constant('nonce' as const), parts: fc.tuple(part, part, part) }),
  fc.record({
    search: fc.constant('tail' as const),
    parts: fc.tuple(part, part),
    first: fc.stringMatching(/^[0-9a-f]{1,12}$/),
  }),
  fc.record({ search: fc.constant('tail' as const), parts: fc.tuple(part, part) }),
);
const difficulties = fc.oneof(
  fc.stringMatching(/^[0-9a-f]{1,3}$/),
  fc.stringMatching(/^0[0-9a-fA-F]{1,3}$/),
  fc.stringMatching(/^00[0-9a-f]{1,126}$/),
);
/** Wherever the number of digits changes, and anywhere. */
const counters = fc.oneof(
  fc.nat(20_000),
  fc
    .tuple(fc.constantFrom(10, 20, 100, 200, 1_000, 20_000, 1e9, 2 ** 31, 2e10, 2 ** 32), fc.nat(30))
    .map(([near, before]) => Math.max(0, near - before)),
);
const seeds = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 90 }),
  fc.double({ min: 0, max: 1 }).map(String),
);

t.test('whatever the text, every search finds what a plain one does, or as surely nothing', (t) => {
  const seen = { solved: 0, none: 0 };
  fc.assert(
    fc.property(texts, seeds, difficulties, counters, fc.integer({ min: 1, max: 60 }), (...input) => {
      const [text, seed, difficulty, from, tries] = input;
      const task = taskOf(seed, difficulty, text, from, tries);
      const expected = searchPlainly(task);
      seen[expected.type === 'solved' ? 'solved' : 'none'] += 1;
      return Object.values(SEARCHES).every((search) => isDeepStrictEqual(search(task, never), expected));
    }),
    { numRuns: 200 },
  );
  t.ok(seen.solved > 40 && seen.none > 40, JSON.stringify(seen));
  t.end();
});

t.test('a digest is compared to its last digit, wherever the text is in its blocks', (t) => {
  for (let length = 0; length < 150; length += 1) {
    const pad = 'x'.repeat(length);
    const text: ProofText =
      length % 2 === 0
        ? { search: 'tail', parts: [pad, ']'], first: '00fffbb4' }
        : { search: 'nonce', parts: [pad, '\u2212', ']'] };
    // Both kinds carry to their hundreds at 1,100, across the border of a block at some lengths.
    const from = 1_098;
    const bare = taskOf('0.5', '', text);
    const least = [1_100, 1_101, 1_102].map((counter) => ({ counter, digest: digestOf(bare, counter) }));
    least.sort((one, other) => (one.digest < other.digest ? -1 : 1));
    const { counter, digest: whole } = least[0] ?? { counter: 0, digest: '' };
    const digits = 1 + ((length * 37) % 128);
    const difficulty = whole.slice(0, digits);
    const task = taskOf('0.5', difficulty, text, from, 12);
    const expected = searchPlainly(task);
    t.equal(expected.type, 'solved', 'an equal digest passes');
    for (const search of Object.values(SEARCHES)) t.same(search(task, never), expected);
    const below = (BigInt(`0x1${difficulty}`) - 1n).toString(16).slice(1);
    if (/^0*$/.test(difficulty) || digits < 6) continue;
    const strict = taskOf('0.5', below, text, counter, 1);
    for (const search of Object.values(SEARCHES)) t.same(search(strict, never), { type: 'none', tries: 1 });
  }
  t.end();
});

t.test('the digits of the tail go on behind the last, and a message may be long', (t) => {
  const wrapping: ProofText = { search: 'tail', parts: ['["', '"]'], first: 'fe' };
  t.equal(Buffer.from(encodeConfig(wrapping, 3), 'base64').toString(), '["01"]');
  const long = 'a seed '.repeat(30_000);
  for (const text of [wrapping, CONFIG_15]) {
    const task = taskOf(long, '0f', text, 0, 400);
    const expected = searchPlainly(task);
    t.equal(expected.type, 'solved');
    for (const search of Object.values(SEARCHES)) t.same(search(task, never), expected);
  }
  t.end();
});

const SLICES = [1, 2, 255, 1, 1_025];

t.test('ranges laid end to end find what one range does', (t) => {
  const text: ProofText = { search: 'tail', parts: ['["00000000-0000-4000-8000-0000', '"]'] };
  const whole = searchPlainly(taskOf('0.3', '000f', text));
  for (const search of Object.values(SEARCHES)) {
    let from = 0;
    let found: ProofResult = { type: 'none', tries: 0 };
    for (let slice = 0; found.type === 'none' && from < whole.tries; slice += 1) {
      found = search(taskOf('0.3', '000f', text, from, SLICES[slice % SLICES.length]), never);
      from += found.tries;
    }
    t.match(found, { type: 'solved', answer: whole.type === 'solved' ? whole.answer : '' });
    t.equal(from, whole.tries);
  }
  t.end();
});

t.test('a search ends soon after it is told', (t) => {
  for (const [name, search] of Object.entries(SEARCHES)) {
    if (name === 'worker') continue;
    let looks = 0;
    const result = search(taskOf('0.1', '0'.repeat(64), CONFIG_18), () => (looks += 1) > 3);
    t.equal(result.type, 'cancelled', name);
    t.ok(result.tries < 20_000, name);
  }
  const told = taskOf('0.1', '0'.repeat(64), CONFIG_18);
  new Int32Array(told.cancel)[0] = 1;
  t.same(solve(told), { type: 'cancelled', tries: 0 });
  t.end();
});

t.test('an answer passes with another implementation of the hash', (t) => {
  const task = taskOf('0.25', '0003ff', { search: 'tail', parts: ['["', '\u2212"]'], first: '7fffffff' });
  const result = solve(task);
  if (result.type !== 'solved') throw new Error('not solved');
  const digest = createHash('sha3-512')
    .update(task.seed + result.answer)
    .digest('hex');
  t.ok(digest.slice(0, 6) <= '0003ff');
  t.end();
});
