import { hold } from './bed.ts';
import type { Bed } from './bed.ts';
import type { LoadResult } from './protocol.ts';
import { PER_SECOND } from './trials.ts';
import type { Measure } from './trials.ts';

const FIRST_TRY = 256;
const LIMIT = 16_384;
const FINE_STEP = 1.2;
const TRIES = 6;
const BEGUN_PER_SECOND = 300;
const TOGETHER_MS = 1_500;
/** An event may be late by ten times the pace. */
const LATEST_MS = (10 * 1000) / PER_SECOND;

/** How many streams there can be side by side with every event in time. Remembers what the run before found. */
export function mostStreams(): Measure {
  let known: number | null = null;
  return {
    figures: ['most streams'],
    async run(bed) {
      known = await search(bed, known ?? FIRST_TRY, known === null ? 2 : FINE_STEP);
      return { 'most streams': known };
    },
  };
}

/**
 * From a number that may or may not do: up in wide steps until it is too much and again in fine ones, or down
 * in fine ones until it does. Rejects when none did.
 */
async function search(bed: Bed, from: number, wide: number): Promise<number> {
  let [most, tooMany] = [0, LIMIT];
  for (let tried = 0, next = from; tried < TRIES && next > most && next < tooMany; tried += 1) {
    if (await carries(bed, next)) most = next;
    else tooMany = next;
    const step = tooMany === LIMIT ? wide : FINE_STEP;
    next = Math.round(most === 0 ? tooMany / step : most * step);
  }
  if (most === 0) throw new Error(`not even ${tooMany} streams in time`);
  return most;
}

/** Streams that began late are cut, right and in time so far, when all have been there together. */
async function carries(bed: Bed, streams: number): Promise<boolean> {
  const rampMs = (streams / BEGUN_PER_SECOND) * 1000;
  const lifeMs = rampMs + TOGETHER_MS;
  try {
    const result = await hold(bed, {
      deltas: Math.ceil((lifeMs / 1000) * PER_SECOND),
      deltasPerSecond: PER_SECOND,
      arrivals: { kind: 'open', perSecond: BEGUN_PER_SECOND, forMs: rampMs },
      window: { fromMs: rampMs, toMs: lifeMs },
      patienceMs: TOGETHER_MS,
    });
    return isInTime(result, streams);
  } catch {
    return false;
  }
}

/** Every event of the window has come, but for those on their way at its ends, and none was late. */
function isInTime({ latestMs, firstTextMs, events, windowMs }: LoadResult, streams: number): boolean {
  const due = (streams * PER_SECOND * windowMs) / 1000;
  return latestMs <= LATEST_MS && firstTextMs.max <= LATEST_MS && events >= due * 0.9;
}
