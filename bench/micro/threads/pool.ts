import { expectedTries } from '../../../src/threads/expected-tries.ts';
import { SLICE_MS } from '../../../src/threads/pace.ts';
import type { Report } from '../../_util/report.ts';
import type { Row } from '../../_util/table.ts';
import { InLine, NewcomerFirst, OldestFirst, RoundRobin } from './policies.ts';
import { simulate } from './simulation.ts';
import type { Completion, Machine, Policy, Puzzle } from './simulation.ts';

interface Way {
  readonly name: string;
  readonly open: () => Policy;
  readonly helps: boolean;
}

interface Mix {
  readonly name: string;
  readonly hardShare: number;
  /** Of the threads' time. */
  readonly load: number;
  readonly threads: number;
}

const WAYS: readonly Way[] = [
  { name: 'one puzzle per thread to its end (baseline)', open: () => new OldestFirst(), helps: false },
  { name: 'slices round robin', open: () => new RoundRobin(), helps: false },
  { name: 'the oldest by all threads', open: () => new OldestFirst(), helps: true },
  { name: 'newcomers and the oldest, turn about', open: () => new NewcomerFirst(), helps: true },
  { name: 'the easiest and the oldest, turn about (ours)', open: () => new InLine(), helps: true },
];
const MIXES: readonly Mix[] = [
  { name: '2 threads, half busy, 5 % hard', hardShare: 0.05, load: 0.5, threads: 2 },
  { name: '2 threads, 90 % busy, 20 % hard', hardShare: 0.2, load: 0.9, threads: 2 },
  { name: '8 threads, 90 % busy, 20 % hard', hardShare: 0.2, load: 0.9, threads: 8 },
  { name: '8 threads, half busy, all hard', hardShare: 1, load: 0.5, threads: 8 },
];
const EASY = '000fff';
const HARD = '000032';
const PUZZLES = 20_000;
const HOP_MS = 0.1;
/** What one thread was measured to do; the ratios depend little on it. */
const TRIES_PER_MS = 1_000;

/** Ways to share threads among easy and hard puzzles, played on a simulated clock: the same puzzles for each. */
export function benchThreads(): Promise<Report> {
  const rows = MIXES.flatMap((mix) => {
    const arrivals = randomArrivals(mix);
    const results = WAYS.map((way) => play(mix, way, arrivals));
    return WAYS.map((way, at) => toRow(mix, way, results[at] ?? [], results[0] ?? []));
  });
  return Promise.resolve({
    title: `time to a solved proof of work, ${EASY} (easy) and ${HARD} (hard), simulated`,
    rows,
  });
}

function play({ threads }: Mix, { open, helps }: Way, arrivals: readonly Puzzle[]): readonly Completion[] {
  const machine: Machine = { threads, sliceMs: SLICE_MS, hopMs: HOP_MS, triesPerMs: TRIES_PER_MS, helps };
  return simulate(arrivals, open(), machine);
}

/** Arrivals by chance, work by chance: exponential both. */
function randomArrivals({ hardShare, load, threads }: Mix): readonly Puzzle[] {
  const random = seeded(7);
  const exponential = (mean: number): number => -mean * Math.log(1 - random());
  const meanMs = hardShare * meanWorkMs(HARD) + (1 - hardShare) * meanWorkMs(EASY);
  let arrivesMs = 0;
  return Array.from({ length: PUZZLES }, () => {
    arrivesMs += exponential(meanMs / (load * threads));
    const isEasy = random() >= hardShare;
    const difficulty = isEasy ? EASY : HARD;
    const workMs = exponential(meanWorkMs(difficulty));
    const expected = expectedTries(difficulty);
    return { urgency: 'client', expectedTries: expected, arrivesMs, workMs, isEasy, leftMs: 0, slices: 0 };
  });
}

function meanWorkMs(difficulty: string): number {
  return expectedTries(difficulty) / TRIES_PER_MS;
}

function toRow(mix: Mix, way: Way, results: readonly Completion[], baseline: readonly Completion[]): Row {
  const all = quantiles(results);
  const easy = quantiles(results.filter(({ puzzle }) => puzzle.isEasy));
  const hard = quantiles(results.filter(({ puzzle }) => !puzzle.isEasy));
  const then = quantiles(baseline);
  const orNone = (figure: number): number | null => (Number.isNaN(figure) ? null : figure);
  return {
    case: mix.name,
    way: way.name,
    'p50 ms': all.p50,
    'p99 ms': all.p99,
    'easy p50': orNone(easy.p50),
    'easy p99': orNone(easy.p99),
    'hard p50': hard.p50,
    'hard p99': hard.p99,
    'p50 × baseline': then.p50 / all.p50,
    'p99 × baseline': then.p99 / all.p99,
  };
}

function quantiles(results: readonly Completion[]): { p50: number; p99: number } {
  const sorted = results.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Numbers from 0 to 1, the same for each way and each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
