import { hold } from './bed.ts';
import type { Bed } from './bed.ts';
import type { LoadResult } from './protocol.ts';
import { PER_SECOND, cpuPerEvent } from './trials.ts';
import type { Measure } from './trials.ts';

const FIRST_TRY = 256;
const LIMIT = 16_384;
const FINE_STEP = 1.2;
const FIRST_TRIES = 6;
/** A figure of the run before is tried, and one beside it. */
const TRIES = 2;
const BEGUN_PER_SECOND = 300;
const TOGETHER_MS = 1_500;
/** An event may be late by ten times the pace. */
const LATEST_MS = (10 * 1000) / PER_SECOND;

interface Found {
  readonly streams: number;
  readonly result: LoadResult;
}

/** How many streams there can be side by side with every event in time. Remembers what the run before found. */
export function mostStreams(): Measure {
  let known: number | null = null;
  return {
    figures: ['most streams', 'CPU µs at most'],
    async run(bed) {
      const found = await (known === null
        ? search(bed, FIRST_TRY, 2, FIRST_TRIES)
        : search(bed, known, FINE_STEP, TRIES));
      known = found.streams;
      return { 'most streams': found.streams, 'CPU µs at most': cpuPerEvent(found.result, 'proxy') };
    },
  };
}

/**
 * From a number that may or may not do: up in wide steps until it is too much and again in fine ones, or down
 * in fine ones until it does. Rejects when none did.
 */
async function search(bed: Bed, from: number, wide: number, tries: number): Promise<Found> {
  let found: Found | null = null;
  let tooMany = LIMIT;
  for (let tried = 0, next = from; tried < tries && next < tooMany; tried += 1) {
    if (next <= (found?.streams ?? 0)) break;
    const result = await tryWith(bed, next);
    if (result !== null) found = { streams: next, result };
    else tooMany = next;
    const step = tooMany === LIMIT ? wide : FINE_STEP;
    next = Math.round(found === null ? tooMany / step : found.streams * step);
  }
  if (found === null) throw new Error(`not even ${tooMany} streams in time`);
  return found;
}

/**
 * Streams that began late are cut, right and in time so far, when all have been there together. Null: it was
 * too much.
 */
async function tryWith(bed: Bed, streams: number): Promise<LoadResult | null> {
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
    return isInTime(result, streams) ? result : null;
  } catch {
    return null;
  }
}

/** Every event of the window has come, but for those on their way at its ends, and none was late. */
function isInTime({ latestMs, firstTextMs, events, windowMs }: LoadResult, streams: number): boolean {
  const due = (streams * PER_SECOND * windowMs) / 1000;
  return latestMs <= LATEST_MS && firstTextMs.max <= LATEST_MS && events >= due * 0.9;
}
