import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import {
  GapMeter,
  LONG_MS,
  MEASURED_PER_TICK,
  ONE_IN,
  StreamGaps,
  TICK_MS,
} from '../../src/metrics/gap-meter.ts';
import { TurnMeter } from '../../src/metrics/turn-meter.ts';

/** Cumulative counts by upper bound in seconds, the sum and the count. */
interface Histogram {
  readonly atMost: ReadonlyMap<number, number>;
  readonly sum: number;
  readonly count: number;
}

interface Part {
  readonly atMs: number;
  readonly stream: number;
}

/** The gaps of each stream, in ms. */
type Gaps = readonly (readonly number[])[];

/** A sample is as good as its size: so many standard deviations off are not chance, but a few single gaps are. */
const DEVIATIONS = 6;
const SINGLE_GAPS = 4 * ONE_IN;
const SECOND_MS = 1_000;

function read(meter: GapMeter): Histogram {
  const samples = meter.samples();
  const value = (suffix: string): number => samples.find((one) => one.suffix === suffix)?.value ?? NaN;
  const buckets = samples.filter(({ suffix }) => suffix === '_bucket');
  const bound = (labels: string): number => Number(labels.slice(4, -1).replace('+Inf', 'Infinity'));
  return {
    atMost: new Map(buckets.map(({ labels, value: count }) => [bound(labels), count])),
    sum: value('_sum'),
    count: value('_count'),
  };
}

/** A generator of numbers in [0, 1), good enough for throws of dice. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lets all parts come in their time, between the ticks. */
function play(gaps: Gaps, random: () => number): Histogram {
  let nowMs = 1_000_000;
  const meter = new GapMeter(() => nowMs, random);
  const streams = gaps.map(() => new StreamGaps(meter));
  let tickAtMs = nowMs + TICK_MS;
  for (const { atMs, stream } of inOrder(gaps, nowMs)) {
    for (; tickAtMs <= atMs; tickAtMs += TICK_MS) {
      nowMs = tickAtMs;
      meter.tick();
    }
    nowMs = atMs;
    streams[stream]?.part();
  }
  return read(meter);
}

function inOrder(gaps: Gaps, startMs: number): Part[] {
  const parts = gaps.flatMap((own, stream) => {
    let atMs = startMs + stream / gaps.length;
    return [{ atMs, stream }, ...own.map((gap) => ({ atMs: (atMs += gap), stream }))];
  });
  return parts.sort((a, b) => a.atMs - b.atMs);
}

/** Of all shapes: the exponent makes most gaps short and few of them longer, up to some 200 ms. */
function shortGaps(streams: number, parts: number, exponent: number, random: () => number): number[][] {
  return Array.from({ length: streams }, () =>
    Array.from({ length: parts }, () => 0.01 + 200 * random() ** exponent),
  );
}

t.test('when few parts come, each gap counts as one and has its length', async (t) => {
  const usual = 4 * MEASURED_PER_TICK;
  const { atMost, sum, count } = play([[0.5, 40, 1_500], Array<number>(usual).fill(30)], () => 0.5);
  t.equal(count, usual + 3);
  t.equal(atMost.get(0.001), 1);
  t.equal(atMost.get(0.05), usual + 2);
  t.equal(atMost.get(2.5), usual + 3);
  t.ok(Math.abs(sum - 1.5405 - usual * 0.03) < 1e-6);
});

t.test('when many come, the sample is fair', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 300 }),
      fc.double({ min: 1, max: 6, noNaN: true }),
      fc.integer(),
      (streams, exponent, seed) => {
        const random = seeded(seed);
        const gaps = shortGaps(streams, 150, exponent, random);
        const all = gaps.flat();
        const { atMost, sum, count } = play(gaps, random);
        const isNear = (found: number, truth: number): boolean =>
          Math.abs(found - truth) <= DEVIATIONS * Math.sqrt(ONE_IN * truth) + SINGLE_GAPS;
        for (const [bound, found] of atMost) {
          const truth = all.filter((gap) => gap / SECOND_MS <= bound).length;
          if (!isNear(found, truth)) throw new Error(`at most ${bound} s: ${found} instead of ${truth}`);
        }
        const truth = all.reduce((total, gap) => total + gap, 0) / SECOND_MS;
        const squares = all.reduce((total, gap) => total + gap ** 2, 0) / SECOND_MS ** 2;
        return (
          isNear(count, all.length) && Math.abs(sum - truth) <= DEVIATIONS * Math.sqrt(ONE_IN * squares) + 1
        );
      },
    ),
    { numRuns: 20 },
  );
  t.pass();
});

t.test('over all samples nothing is lost or won', async (t) => {
  const runs = 60;
  let [found, truth] = [0, 0];
  for (let seed = 0; seed < runs; seed += 1) {
    const random = seeded(seed);
    const gaps = shortGaps(150, 60, 3, random);
    found += play(gaps, random).count;
    truth += gaps.flat().length;
  }
  t.ok(Math.abs(found / truth - 1) < 0.02, `${found} of ${truth}`);
});

t.test('a long gap is counted, and as one, however many parts come meanwhile', async (t) => {
  // Off the bounds by more than a tick.
  const long = fc.constantFrom(LONG_MS + 2 * TICK_MS, 700, 1_500, 3_000, 7_000);
  fc.assert(
    fc.property(fc.array(long, { minLength: 1, maxLength: 30 }), fc.integer(), (longs, seed) => {
      const random = seeded(seed);
      const busy = shortGaps(200, 150, 4, random).map((own) => own.map((gap) => Math.min(gap, 150)));
      const gaps = busy.map((own, at) => {
        const extra = longs[at];
        return extra === undefined ? own : [...own.slice(0, 20), extra, ...own.slice(20)];
      });
      const { atMost, count } = play(gaps, random);
      for (const bound of [0.25, 0.5, 1, 2.5, 5]) {
        const beyond = longs.filter((gap) => gap / SECOND_MS > bound).length;
        const found = count - (atMost.get(bound) ?? NaN);
        if (found !== beyond) throw new Error(`beyond ${bound} s: ${found} instead of ${beyond}`);
      }
    }),
    { numRuns: 20 },
  );
  t.pass();
});

t.test('time in which the client kept us from reading is no gap', async (t) => {
  let nowMs = 1;
  const meter = new GapMeter(
    () => nowMs,
    () => 0.5,
  );
  const gaps = new StreamGaps(meter);
  for (let part = 0; part < 2 * MEASURED_PER_TICK; part += 1) {
    gaps.part();
    gaps.forget();
    nowMs += 10_000;
    meter.tick();
  }
  t.equal(read(meter).count, 0);
});

t.test('the clock ticks as long as somebody streams', async (t) => {
  let readings = 0;
  const meter = new TurnMeter(() => (readings += 1));
  const { streaming } = meter.phases;
  const readingsIn = async (ms: number): Promise<number> => {
    const before = readings;
    await sleep(ms);
    return readings - before;
  };
  for (let round = 0; round < 2; round += 1) {
    const sinceMs = streaming.enter();
    meter.openGaps();
    t.ok((await readingsIn(20 * TICK_MS)) > 2);
    streaming.leave(sinceMs);
    await sleep(10 * TICK_MS);
    t.equal(await readingsIn(4 * TICK_MS), 0);
  }
});
