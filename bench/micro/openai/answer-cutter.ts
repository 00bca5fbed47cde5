import { answerDeltas } from '../../_util/answer.ts';
import { hold } from '../../_util/contest.ts';
import type { Contestant } from '../../_util/contest.ts';
import type { Report } from '../../_util/report.ts';
import type { Row } from '../../_util/table.ts';
import { AnswerCutter } from '../../../src/openai/answer-cutter.ts';
import type { AnswerLimits } from '../../../src/openai/answer-cutter.ts';
import type { Tokenizer } from '../../../src/openai/tokenizer.ts';
import { loadTokenizer } from '../../../src/tokens/tokenizer.ts';

const DELTAS = 500;
/** None occurs in the answer, though the first begins in it often. */
const STOP = ['\n\nHuman:', '###', '<|end|>'];

interface Outcome {
  readonly text: string;
  readonly tokens: number;
}

/** What one delta of four characters costs on its way through the cutter. */
export async function benchAnswerCutter(): Promise<Report> {
  const deltas = answerDeltas(DELTAS);
  const tokenizer = await loadTokenizer('o200k_base');
  const tokens = tokenizer.count(deltas.join(''));
  const ours = (name: string, limits: AnswerLimits): Contestant<Outcome> => ({
    name,
    run: () => throughCutter(deltas, limits),
  });
  const rows = [
    ...(await cutterCase('pass-through', deltas, 0, forwardPlainly(deltas), [
      ours('our cutter', { stop: [], tokens: null }),
    ])),
    ...(await cutterCase('stop, 3 sequences', deltas, 0, stopPlainly(deltas), [
      ours('our cutter', { stop: STOP, tokens: null }),
    ])),
    ...(await cutterCase('count tokens', deltas, tokens, countPlainly(deltas, tokenizer), [
      { name: 'the whole text once, at its end', run: () => countAtEnd(deltas, tokenizer) },
      ours('our cutter', { stop: [], tokens: { tokenizer, max: null } }),
      ours('our cutter, max_tokens one beyond', { stop: [], tokens: { tokenizer, max: tokens + 1 } }),
      ours('our cutter, counting and stop', { stop: STOP, tokens: { tokenizer, max: null } }),
    ])),
  ];
  return { title: `an answer of ${DELTAS} deltas through the cutter`, rows };
}

function cutterCase(
  name: string,
  deltas: readonly string[],
  tokens: number,
  baseline: Contestant<Outcome>,
  ours: readonly Contestant<Outcome>[],
): Promise<Row[]> {
  return hold<Outcome>({
    name,
    unit: 'delta',
    units: 'deltas',
    unitsPerRun: deltas.length,
    expected: { text: deltas.join(''), tokens },
    floor: { name: 'adding the texts up', run: () => deltas.reduce((text, delta) => text + delta, '') },
    baseline,
    ours,
  });
}

function throughCutter(deltas: readonly string[], limits: AnswerLimits): Outcome {
  const cutter = new AnswerCutter(limits);
  let text = '';
  for (const delta of deltas) text += cutter.push(delta);
  text += cutter.end();
  return { text, tokens: cutter.completionTokens };
}

/** What ends within a character waits for the rest of it. */
function forwardPlainly(deltas: readonly string[]): Contestant<Outcome> {
  return {
    name: 'a pattern for half characters',
    run() {
      let text = '';
      let waiting = '';
      for (const delta of deltas) {
        waiting += delta;
        if (/[\ud800-\udbff]$/.test(waiting)) continue;
        text += waiting;
        waiting = '';
      }
      return { text: text + waiting, tokens: 0 };
    },
  };
}

/** Searches all the text at every delta and always holds back as much as might begin a sequence. */
function stopPlainly(deltas: readonly string[]): Contestant<Outcome> {
  const held = Math.max(...STOP.map((sequence) => sequence.length)) - 1;
  return {
    name: 'indexOf in the text so far',
    run() {
      let text = '';
      let out = '';
      for (const delta of deltas) {
        text += delta;
        if (STOP.some((sequence) => text.includes(sequence))) break;
        out += text.slice(out.length, Math.max(out.length, text.length - held));
      }
      return { text: out + text.slice(out.length), tokens: 0 };
    },
  };
}

/** The count after every delta, as a limit needs it. */
function countPlainly(deltas: readonly string[], tokenizer: Tokenizer): Contestant<Outcome> {
  return {
    name: 'the text so far at every delta',
    run() {
      let text = '';
      let tokens = 0;
      for (const delta of deltas) {
        text += delta;
        tokens = tokenizer.count(text);
      }
      return { text, tokens };
    },
  };
}

function countAtEnd(deltas: readonly string[], tokenizer: Tokenizer): Outcome {
  const text = deltas.join('');
  return { text, tokens: tokenizer.count(text) };
}
