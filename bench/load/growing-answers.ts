import { hold, holdWhole } from './bed.ts';
import type { Bed } from './bed.ts';
import type { LoadResult } from './protocol.ts';
import { PER_SECOND, cpuPerEvent } from './trials.ts';
import type { Measure } from './trials.ts';
import type { Encoding, Way } from './ways.ts';

/** Answers in tokens. Each event of the older encoding carries the whole answer so far. */
export const LENGTHS = [100, 1_000, 10_000];
const CLIENTS = 4;
const STREAMS = 64;
const LAST_DELTAS = 26;

/** The last events of an answer, one by one; or whole answers, with what a chat costs beside its events. */
export type Pace = 'paced' | 'saturated';

/** What an event costs as answers grow. None, where it is not the backend that is asked. */
export function growingAnswers(way: Way): readonly Measure[] {
  const encoding = growingEncoding(way);
  if (encoding === null) return [];
  return pacesOf(encoding).flatMap((pace) =>
    LENGTHS.map((deltas): Measure => {
      const figure = costAt(pace, deltas);
      const run: Measure['run'] = async (bed) => {
        return { [figure]: cpuPerEvent(await HOLD[pace](bed, encoding, deltas), 'proxy') };
      };
      return { figures: [figure], run };
    }),
  );
}

export function costAt(pace: Pace, deltas: number): string {
  return `${pace}, ${deltas} tokens: CPU µs`;
}

/** What is passed on unread comes in either encoding; in the older one it is the least of the others. */
export function growingEncoding({ role, encoding }: Way): Encoding | null {
  if (role === 'direct' || role === 'one call') return null;
  return role === 'floor' || role === 'shape' ? 'legacy' : encoding;
}

/** An event of the newer encoding is the same wherever it comes. */
export function pacesOf(encoding: Encoding): readonly Pace[] {
  return encoding === 'legacy' ? ['paced', 'saturated'] : ['paced'];
}

const HOLD: Readonly<Record<Pace, (bed: Bed, encoding: Encoding, deltas: number) => Promise<LoadResult>>> = {
  paced: (bed, encoding, deltas) =>
    holdWhole(bed, {
      deltas,
      atOnce: deltas - LAST_DELTAS + 1,
      encoding,
      deltasPerSecond: PER_SECOND,
      arrivals: { kind: 'open', perSecond: STREAMS * 4, forMs: 250 },
      window: { fromMs: 400, toMs: 1_200 },
      patienceMs: 3_000,
    }),
  saturated: (bed, encoding, deltas) =>
    hold(bed, {
      deltas,
      encoding,
      deltasPerSecond: null,
      arrivals: { kind: 'closed', clients: CLIENTS, forMs: 1_200 },
      window: { fromMs: 300, toMs: 1_200 },
      patienceMs: 200,
    }),
};
