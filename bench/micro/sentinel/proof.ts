import { strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Report } from '../../_util/report.ts';
import type { Row } from '../../_util/table.ts';
import { BLOCK_BYTES, encodeConfig, fillIn } from '../../../src/sentinel/counter-text.ts';
import type { ProofResult } from '../../../src/threads/tasks.ts';
import solve from '../../../workers/proof.ts';
import { fixedPuzzle, toTask } from './fixed-puzzle.ts';
import { careful, hashWasmLoop, kernelWay, nativeLimit, nodeLoop, pythonLoop } from './ways.ts';
import type { Way } from './ways.ts';

/** One line of the table; what makes no sense in a line stays out of it. */
interface Figures {
  readonly case: string;
  readonly way: string;
  readonly triesPerS?: number;
  readonly timesBaseline?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly cpuSPer1000?: number;
}

const ROUNDS = 5;
const ROUND_S = 0.25;
const WARM_UP_S = 0.4;
const CHECKED_DIFFICULTY = '0007ff';
const HARDEST = '000032';
/** Digests of six digits at or below it, inclusive: 0x33 of 2 ** 24. */
const TRIES_AT_HARDEST = 2 ** 24 / 0x33;
const SOLVES: readonly [difficulty: string, solves: number][] = [
  ['0fffff', 1_000],
  ['00ffff', 1_000],
  ['000fff', 300],
  [HARDEST, 80],
];
const ALL_CORES_TRIES = 1_000_000;
const ALL_CORES_ROUNDS = 5;

/** Ways to search proofs of work over the config of 18 entries: tries on one core, on all, time to an answer. */
export async function benchProof(): Promise<Report> {
  const rows = [...(await oneCore()), ...(await allCores()), ...timesToSolve()];
  return {
    title: 'proofs of work, 18 entries; processor time per 1,000 answers at 000032',
    rows: rows.map(toRow),
  };
}

async function oneCore(): Promise<Figures[]> {
  const baseline = await hashWasmLoop();
  const ways = [
    pythonLoop(),
    nodeLoop(),
    baseline,
    await careful(),
    kernelWay('scalar', 'nonce'),
    kernelWay('simd', 'nonce'),
    nativeLimit(2, 'nonce', blocksPerTry('nonce')),
    nativeLimit(8, 'nonce', blocksPerTry('nonce')),
    kernelWay('scalar', 'tail'),
    kernelWay('simd', 'tail'),
    nativeLimit(2, 'tail', blocksPerTry('tail')),
    nativeLimit(8, 'tail', blocksPerTry('tail')),
  ].filter((way) => way !== null);
  ways.forEach(check);
  const rates = measure(ways);
  const base = rates.get(baseline) ?? [];
  return ways.map((way) => {
    const own = rates.get(way) ?? [];
    return {
      case: 'one core',
      way: way === baseline ? `${way.name} (baseline)` : way.name,
      triesPerS: median(own),
      timesBaseline: median(own.map((rate, round) => rate / (base[round] ?? Number.NaN))),
      cpuSPer1000: (1_000 * TRIES_AT_HARDEST) / median(own),
    };
  });
}

/** Two ways with one search must come to one answer, the least counter's. */
function check({ name, search, answerTo }: Way): void {
  if (answerTo === null) return;
  const puzzle = fixedPuzzle(search, CHECKED_DIFFICULTY);
  const expected = solve(toTask(puzzle, 1_000_000)) as ProofResult & { type: 'solved' };
  strictEqual(answerTo(puzzle), expected.answer, `${name} comes to another answer`);
  strictEqual(encodeConfig(puzzle.text, expected.tries - 1), expected.answer);
}

/** Tries per second of processor time, one figure a round; all ways take turns in each. */
function measure(ways: readonly Way[]): Map<Way, number[]> {
  const tries = new Map(ways.map((way) => [way, triesIn(way, ROUND_S)]));
  const rates = new Map<Way, number[]>(ways.map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [way, count] of tries) rates.get(way)?.push(count / way.secondsFor(count));
  }
  return rates;
}

/** How many tries take about so long, once the engine has compiled them well. */
function triesIn({ secondsFor }: Way, seconds: number): number {
  let tries = 2_000;
  for (;;) {
    const taken = secondsFor(tries);
    if (taken > WARM_UP_S) return Math.ceil((tries * seconds) / taken);
    tries *= 2;
  }
}

/** One worker alone and then as many as there are cores, in turns: do they get in each other's way? */
async function allCores(): Promise<Figures[]> {
  const threads = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL('proof-thread.js', import.meta.url)),
  );
  const timeOf = async (some: readonly Worker[]): Promise<number> => {
    const startMs = performance.now();
    const answers = some.map((thread) => once(thread, 'message'));
    for (const thread of some) thread.postMessage(ALL_CORES_TRIES);
    await Promise.all(answers);
    return (some.length * ALL_CORES_TRIES * 1_000) / (performance.now() - startMs);
  };
  await timeOf(threads);
  const alone: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < ALL_CORES_ROUNDS; round += 1) {
    alone.push(await timeOf(threads.slice(0, 1)));
    together.push(await timeOf(threads));
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
  const name = 'threads with the kernel, tail';
  return [
    { case: 'wall clock', way: `1 of the ${name}`, triesPerS: median(alone) },
    { case: 'wall clock', way: `all ${threads.length} ${name}`, triesPerS: median(together) },
  ];
}

function timesToSolve(): Figures[] {
  return SOLVES.map(([difficulty, solves]) => {
    const before = process.cpuUsage();
    const times = Array.from({ length: solves }, (_, index) => timeToSolve(difficulty, `0.${index + 1}`));
    const { user, system } = process.cpuUsage(before);
    times.sort((one, other) => one - other);
    return {
      case: `one answer at ${difficulty}`,
      way: 'the kernel, tail',
      p50Ms: times[Math.floor(solves * 0.5)] ?? Number.NaN,
      p99Ms: times[Math.floor(solves * 0.99)] ?? Number.NaN,
      cpuSPer1000: (user + system) / 1_000 / solves,
    };
  });
}

function timeToSolve(difficulty: string, seed: string): number {
  const task = toTask(fixedPuzzle('tail', difficulty, seed), 2 ** 32);
  const startMs = performance.now();
  strictEqual(solve(task).type, 'solved');
  return performance.now() - startMs;
}

/** Hash blocks from that with the last two digits of the first number to the end. */
function blocksPerTry(search: Way['search']): number {
  const { seed, text } = fixedPuzzle(search, HARDEST);
  const { json, numbers } = fillIn(text, 100_000);
  const blockOf = (jsonBytes: number): number =>
    Math.floor((Buffer.byteLength(seed) + Math.floor(jsonBytes / 3) * 4) / BLOCK_BYTES);
  const [{ at, length }] = numbers;
  return blockOf(json.length + 2) - blockOf(at + length - 2) + 1;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}

function toRow(figures: Figures): Row {
  return {
    case: figures.case,
    way: figures.way,
    'tries/s': figures.triesPerS ?? null,
    '× baseline': figures.timesBaseline ?? null,
    'p50 ms': figures.p50Ms ?? null,
    'p99 ms': figures.p99Ms ?? null,
    'CPU s per 1,000': figures.cpuSPer1000 ?? null,
  };
}
