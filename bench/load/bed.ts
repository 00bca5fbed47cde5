import type { RunningPeer } from '../peers/peer.ts';
import type { Arrivals, Load, LoadResult, Plan } from './protocol.ts';
import type { Stand } from './stand.ts';
import { toTarget } from './ways.ts';
import type { Encoding, Way } from './ways.ts';

/** A way that runs, between upstream and generator. */
export interface Bed {
  readonly way: Way;
  readonly running: RunningPeer;
  readonly stand: Stand;
}

/** One load, with the plan that goes with it. */
export interface Trial {
  readonly deltas: number;
  readonly deltasPerSecond: number | null;
  readonly arrivals: Arrivals;
  readonly window: Load['window'];
  readonly patienceMs: number;
  /** Deltas in the first event; one, unless told otherwise. */
  readonly atOnce?: number;
  /** Unless told otherwise. */
  readonly isBatched?: boolean;
  /** Instead of the way's own. */
  readonly encoding?: Encoding;
}

/** Chats of the trial before would still be on their way out. */
const SETTLE_MS = 150;

/** Rejects when a single chat went wrong; those that are cut off have not, as long as they were right. */
export async function hold(bed: Bed, trial: Trial): Promise<LoadResult> {
  const { stand, running } = bed;
  const { encoding = bed.way.encoding, atOnce = 1, isBatched = true, ...load } = trial;
  const way = { ...bed.way, encoding };
  const plan: Plan = { ...load, atOnce, isBatched, encoding: encoding ?? 'v1' };
  await stand.plan(plan);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const watched = { proxy: running.pids(), upstream: [stand.upstreamPid], generator: [stand.generatorPid] };
  const result = await stand.drive({ ...load, atOnce, target: toTarget(way, running.port), watched });
  const [failure] = Object.entries(result.failures);
  if (failure !== undefined) throw new Error(`${failure[1]} of ${result.started} chats: ${failure[0]}`);
  return result;
}

/** Where every chat must have come to its end. */
export async function holdWhole(bed: Bed, trial: Trial): Promise<LoadResult> {
  const result = await hold(bed, trial);
  if (result.unfinished > 0)
    throw new Error(`${result.unfinished} of ${result.started} chats not finished in time`);
  return result;
}
