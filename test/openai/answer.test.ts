import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import cl100k from 'gpt-tokenizer/bpeRanks/cl100k_base';
import o200k from 'gpt-tokenizer/bpeRanks/o200k_base';
import { encode as encodeCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { encode as encodeO200k } from 'gpt-tokenizer/encoding/o200k_base';
import t from 'tap';
import { AnswerCutter, type AnswerLimits } from '../../src/openai/answer-cutter.ts';
import type { Encoding } from '../../src/openai/models.ts';
import { MAX_SEGMENT_CHARS, segmentsOf, segmentLength } from '../../src/openai/segments.ts';
import type { Tokenizer } from '../../src/openai/tokenizer.ts';
import { loadTokenizer } from '../../src/tokens/tokenizer.ts';

const ENCODINGS: readonly Encoding[] = ['o200k_base', 'cl100k_base'];
const DIRECT = {
  o200k_base: { encode: encodeO200k, vocabulary: o200k },
  cl100k_base: { encode: encodeCl100k, vocabulary: cl100k },
};
const PLAIN = { disallowedSpecial: new Set<string>() };

interface Outcome {
  readonly text: string;
  readonly reason: 'stop' | 'length' | null;
  readonly tokens: number;
}

/** The answer in one piece, tokenised in one piece: what the cutter must come to. */
function direct(answer: string, encoding: Encoding, max: number, stop: readonly string[]): Outcome {
  const starts = stop.map((sequence) => answer.indexOf(sequence)).filter((at) => at >= 0);
  const text = starts.length > 0 ? answer.slice(0, Math.min(...starts)) : answer;
  const tokens = DIRECT[encoding].encode(text, PLAIN);
  if (tokens.length < max) return { text, reason: starts.length > 0 ? 'stop' : null, tokens: tokens.length };
  return { text: decodeWhole(tokens.slice(0, max), encoding), reason: 'length', tokens: max };
}

function decodeWhole(tokens: readonly number[], encoding: Encoding): string {
  const bytes = tokens.map((token) => Buffer.from(DIRECT[encoding].vocabulary[token] as string));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(bytes), { stream: true });
}

function run(limits: AnswerLimits, deltas: readonly string[]): { outcome: Outcome; releases: string[] } {
  const cutter = new AnswerCutter(limits);
  const releases = [...deltas.map((delta) => cutter.push(delta)), cutter.end()];
  const outcome = { text: releases.join(''), reason: cutter.reason, tokens: cutter.completionTokens };
  return { outcome, releases };
}

/** Cuts at the given places, also within surrogate pairs. */
function split(text: string, places: readonly number[]): string[] {
  const cuts = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...cuts].map((from, i) => text.slice(from, cuts[i] ?? text.length));
}

const fragment = fc.oneof(
  fc.constantFrom(
    ' ',
    '  ',
    '\n',
    '\r\n',
    '\n\n  ',
    '\t',
    '.',
    ', ',
    '!?',
    '//',
    '...\n/',
    '/',
    '\u00a0',
    '\ufeff',
  ),
  fc.constantFrom("it's", "I'LL", "'ve", "don't", "'", "'l", 'l', 'LL', '’s', 'ſ'),
  fc.constantFrom('hello', ' world', 'ABC', 'AbCd', 'A日BBBB', 'naïve', 'e\u0301', '\u0301', 'ǅ', 'ʰ'),
  fc.constantFrom('你好', '世界，', 'สวัสดี', 'Привет', '😀', '👩‍👩‍👧', '🇩🇪', '𝐀𝐛', '٣٤'),
  fc.constantFrom(
    '1',
    '1234567',
    'a1b2',
    '3.14',
    '<|endoftext|>',
    '<|im_start|>',
    '```ts\n',
    '=====',
    '{"a":1}',
  ),
  fc.string({ maxLength: 4, unit: 'grapheme' }),
);
const answer = fc.array(fragment, { maxLength: 30 }).map((parts) => parts.join(''));
const places = fc.array(fc.nat(), { maxLength: 60 });
const encoding = fc.constantFrom(...ENCODINGS);
const stop = fc.array(
  fc.constantFrom(
    'l',
    'lo w',
    'world',
    '\n\n',
    'ABCD',
    'BCx',
    '😀',
    ' ',
    'aab',
    'ab',
    '=====x',
    '世界',
    'zz',
  ),
  { maxLength: 4 },
);
const tokenizers = {
  o200k_base: await loadTokenizer('o200k_base'),
  cl100k_base: await loadTokenizer('cl100k_base'),
};

t.test('any split of any answer ends where the direct tokenisation ends', (t) => {
  const max = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(Infinity));
  fc.assert(
    fc.property(answer, places, encoding, max, stop, (text, places, encoding, max, stop) => {
      const tokens = { tokenizer: tokenizers[encoding], max: max === Infinity ? null : max };
      const expected = direct(text, encoding, max, stop);
      for (const deltas of [[text], split(text, places), text.split('')]) {
        deepStrictEqual(run({ stop, tokens }, deltas).outcome, expected);
      }
    }),
    { numRuns: 700 },
  );
  t.end();
});

t.test('an answer of exactly the limit ends by length', (t) => {
  fc.assert(
    fc.property(answer, places, encoding, (text, places, encoding) => {
      const all = DIRECT[encoding].encode(text, PLAIN).length;
      fc.pre(all > 0);
      const tokens = { tokenizer: tokenizers[encoding], max: all };
      const { outcome } = run({ stop: [], tokens }, split(text, places));
      if (outcome.text !== text || outcome.reason !== 'length' || outcome.tokens !== all) {
        throw new Error(JSON.stringify(outcome));
      }
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('no character is split over two releases, and half characters are lost to nobody', (t) => {
  const units = fc.array(fc.constantFrom('\ud83d', '\ude00', 'a', ' ', '😀'), { maxLength: 20 });
  fc.assert(
    fc.property(units, fc.boolean(), fc.boolean(), (units, counting, stopping) => {
      const tokens = counting ? { tokenizer: tokenizers.o200k_base, max: 1000 } : null;
      const { outcome, releases } = run({ stop: stopping ? ['zz', 'a😀b'] : [], tokens }, units);
      if (outcome.text !== units.join('')) throw new Error('text lost');
      releases.reduce((before, after) => {
        if (/[\ud800-\udbff]$/.test(before) && /^[\udc00-\udfff]/.test(after)) throw new Error('pair split');
        return after === '' ? before : after;
      }, '');
    }),
  );
  t.end();
});

t.test('a run without boundaries stays bounded in memory and the same for any split', (t) => {
  const runs = fc.constantFrom('a', '=', ' ', '\n', '7', '中', '😀', 'A日', 'e\u0301', 'a𝐀');
  const length = fc.integer({ min: MAX_SEGMENT_CHARS - 3, max: 3 * MAX_SEGMENT_CHARS });
  const max = fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 600 }));
  fc.assert(
    fc.property(answer, runs, length, places, max, encoding, (head, run_, length, places, max, encoding) => {
      const text = head + run_.repeat(length) + head;
      const limits = { stop: [], tokens: { tokenizer: tokenizers[encoding], max } };
      deepStrictEqual(run(limits, split(text, places)).outcome, run(limits, [text]).outcome);
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('a forced cut keeps pairs whole', (t) => {
  t.equal(segmentLength('!' + '😀'.repeat(MAX_SEGMENT_CHARS)), MAX_SEGMENT_CHARS - 1);
  t.equal(segmentLength('😀'.repeat(MAX_SEGMENT_CHARS)), MAX_SEGMENT_CHARS);
  const letterAcrossTheEdge = 'x ' + 'y'.repeat(MAX_SEGMENT_CHARS - 2) + '𝐀';
  t.equal(segmentLength(letterAcrossTheEdge), 1, 'half a letter is not taken for a symbol');
  t.end();
});

t.test('the tokenizer never sees more than a segment, and answers as to the prompt count', (t) => {
  let longest = 0;
  const tokenizer = tokenizers.o200k_base;
  const watched: Tokenizer = {
    count: (text) => {
      longest = Math.max(longest, text.length);
      return tokenizer.count(text);
    },
    tokenSizes: (text) => tokenizer.tokenSizes(text),
  };
  const text = 'x'.repeat(100_000) + 'one two three'.repeat(5000);
  const { outcome } = run({ stop: [], tokens: { tokenizer: watched, max: null } }, [text]);
  t.equal(outcome.text, text);
  t.equal(outcome.tokens, countTokens(text, watched));
  t.ok(longest <= MAX_SEGMENT_CHARS, `${longest} characters at once`);
  t.end();
});

t.test('text far from the limit is not delayed, text at the limit is', (t) => {
  const cutter = new AnswerCutter({ stop: [], tokens: { tokenizer: tokenizers.o200k_base, max: 100 } });
  t.equal(cutter.push('unfinish'), 'unfinish');
  t.equal(cutter.push('ed'), 'ed');
  const tight = new AnswerCutter({ stop: [], tokens: { tokenizer: tokenizers.o200k_base, max: 2 } });
  t.equal(tight.push('hello'), 'he', 'two tokens are two bytes at least');
  t.equal(tight.push(' world'), 'llo ');
  t.notOk(tight.satisfied);
  t.equal(tight.push(' and'), 'world');
  t.match(tight, { satisfied: true, reason: 'length', completionTokens: 2 });
  t.equal(tight.push('more'), '');
  t.equal(tight.end(), '');
  t.end();
});

t.test('only the possible beginning of a stop sequence is held back', (t) => {
  const cutter = new AnswerCutter({ stop: ['END', 'Exit now'], tokens: null });
  t.equal(cutter.push('The E'), 'The ');
  t.equal(cutter.push('N'), '');
  t.equal(cutter.push('glish E'), 'ENglish ');
  t.equal(cutter.push('xit now'), '');
  t.match(cutter, { satisfied: true, reason: 'stop', completionTokens: 0 });
  t.end();
});

t.test('the stop sequence that begins first wins, also when another completes first', (t) => {
  const stop = ['abcdef', 'cd'];
  t.equal(run({ stop, tokens: null }, ['xabc', 'd', 'ef']).outcome.text, 'x');
  t.equal(run({ stop, tokens: null }, ['xabc', 'd', 'e', 'g']).outcome.text, 'xab');
  t.equal(run({ stop, tokens: null }, ['xabcd']).outcome.text, 'xab');
  t.match(run({ stop, tokens: null }, ['xabcd']).outcome, { reason: 'stop' });
  t.end();
});

t.test('overlapping stop sequences are found across any split', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 30 });
  const sequences = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 2, maxLength: 8 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(text, sequences, places, (text, stop, places) => {
      const starts = stop.map((sequence) => text.indexOf(sequence)).filter((at) => at >= 0);
      const expected = text.slice(0, Math.min(text.length, ...starts));
      const reason = starts.length > 0 ? 'stop' : null;
      const { outcome } = run({ stop, tokens: null }, split(text, places));
      deepStrictEqual(outcome, { text: expected, reason, tokens: 0 });
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test('long stop sequences that almost match cost linear time', (t) => {
  const stop = ['a'.repeat(50_000) + 'b'];
  const deltas = Array.from({ length: 2000 }, () => 'a'.repeat(50));
  const startedAt = performance.now();
  t.equal(run({ stop, tokens: null }, deltas).outcome.text.length, 100_000);
  t.ok(performance.now() - startedAt < 5000);
  t.end();
});

t.test('without limits every delta passes as it is', (t) => {
  t.same(run({ stop: [], tokens: null }, ['a', 'b c', '', '日']).releases, ['a', 'b c', '', '日', '']);
  t.end();
});

function countTokens(text: string, tokenizer: Tokenizer): number {
  return [...segmentsOf(text)].reduce((sum, segment) => sum + tokenizer.count(segment), 0);
}

t.test('known counts', async (t) => {
  const known: [string, number, number][] = [
    ['', 0, 0],
    ['hello world', 2, 2],
    ['tiktoken is great!', 6, 6],
    ['antidisestablishmentarianism', 6, 6],
    ['2 + 2 = 4', 7, 7],
    ['お誕生日おめでとう', 8, 9],
    ['<|endoftext|>', 7, 7],
  ];
  for (const [text, o200k, cl100k] of known) {
    t.equal(countTokens(text, tokenizers.o200k_base), o200k, `o200k ${text}`);
    t.equal(countTokens(text, tokenizers.cl100k_base), cl100k, `cl100k ${text}`);
  }
  t.equal(await loadTokenizer('o200k_base'), tokenizers.o200k_base, 'loaded once');
});
