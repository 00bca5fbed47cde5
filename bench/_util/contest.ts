import { deepStrictEqual } from 'node:assert/strict';
import { measure } from 'mitata';
import type { Row } from './table.ts';

/** Several ways to one result, timed in the same run. */
export interface Contest<Result> {
  readonly name: string;
  /** What one run does many of, and how many. */
  readonly unit: string;
  readonly units: string;
  readonly unitsPerRun: number;
  readonly expected: Result;
  /** The least that any way must do; needs to give no result. */
  readonly floor: Contestant<unknown>;
  /** What somebody would write at first. */
  readonly baseline: Contestant<Result>;
  readonly ours: readonly Contestant<Result>[];
}

export interface Contestant<Result> {
  readonly name: string;
  readonly run: () => Result | Promise<Result>;
}

/** In the order in which the contestants are timed and shown. */
const ROLES = [' (floor)', ' (baseline)'];
const ROUNDS = 5;
const ROUND_NS = 80e6;

/**
 * Checks every result, then times all in turns. Each is as fast as in its quietest round: whatever else
 * the machine does can only slow it down.
 */
export async function hold<Result>(contest: Contest<Result>): Promise<Row[]> {
  const { floor, baseline, ours, expected } = contest;
  for (const { name, run } of [baseline, ...ours]) {
    deepStrictEqual(await run(), expected, `${contest.name}: ${name} comes to another result`);
  }
  const timed = [floor, baseline, ...ours].map((contestant) => ({ contestant, ns: Infinity }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const entry of timed) entry.ns = Math.min(entry.ns, await timeOf(entry.contestant));
  }
  const baselineNs = timed[1]?.ns ?? Number.NaN;
  return timed.map(({ contestant, ns }, at) => {
    return toRow(contest, contestant.name + (ROLES[at] ?? ''), ns, baselineNs);
  });
}

/** Nanoseconds of one run, the median of a round. */
async function timeOf({ run }: Contestant<unknown>): Promise<number> {
  // Without --expose-gc mitata would provoke collections by allocating a gigabyte.
  const { p50 } = await measure(run, { min_cpu_time: ROUND_NS, gc: false });
  return p50;
}

function toRow<T>(contest: Contest<T>, way: string, ns: number, baselineNs: number): Row {
  const { name, unit, units, unitsPerRun } = contest;
  return {
    case: name,
    way,
    [`ns/${unit}`]: ns / unitsPerRun,
    [`${units}/s`]: (unitsPerRun / ns) * 1e9,
    '× baseline': baselineNs / ns,
  };
}
