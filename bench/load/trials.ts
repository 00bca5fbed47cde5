import { setTimeout as sleep } from 'node:timers/promises';
import { hold, holdWhole } from './bed.ts';
import type { Bed, Trial } from './bed.ts';
import { rssBytes } from './process-usage.ts';
import type { LoadResult } from './protocol.ts';

/** Figures by name, of one run. */
export type Figures = Readonly<Record<string, number>>;

export interface Measure {
  /** What it finds out; all of them have failed when it rejects. */
  readonly figures: readonly string[];
  run(bed: Bed): Promise<Figures>;
}

export const PER_SECOND = 20;
const LONG_ANSWER = 400;
const SHORT_ANSWER = 10;
const SATURATING_CLIENTS = 16;
const CLIENTS = 64;
const PATIENCE_MS = 1_500;
const COOLING_MS = 1_000;
const MEGABYTE = 1e6;

/** Answers as fast as they are taken: many events in one write, as no backend sends them. */
const BATCHED: Trial = {
  deltas: LONG_ANSWER,
  deltasPerSecond: null,
  arrivals: { kind: 'closed', clients: SATURATING_CLIENTS, forMs: 1_700 },
  window: { fromMs: 400, toMs: 1_700 },
  patienceMs: PATIENCE_MS,
};
/** The same, every event a write of its own; they meet on their way only where somebody is slow to read. */
const SATURATED: Trial = { ...BATCHED, isBatched: false };
/** All streams are open and none has come to its end within the window. */
const PACED: Trial = {
  deltas: 54,
  deltasPerSecond: PER_SECOND,
  arrivals: { kind: 'open', perSecond: CLIENTS * 2, forMs: 500 },
  window: { fromMs: 700, toMs: 2_500 },
  patienceMs: 2_700 + PATIENCE_MS,
};
/** Thousands of chats: of one thousand, p99 is but the tenth longest. */
const ONE_BY_ONE: Trial = {
  deltas: SHORT_ANSWER,
  deltasPerSecond: null,
  arrivals: { kind: 'closed', clients: 1, forMs: 4_000 },
  window: { fromMs: 0, toMs: 4_000 },
  patienceMs: PATIENCE_MS,
};
/** An answer takes half a second, so that 64 are on their way at any time. */
const SIDE_BY_SIDE: Trial = {
  deltas: SHORT_ANSWER,
  deltasPerSecond: PER_SECOND,
  arrivals: { kind: 'open', perSecond: CLIENTS * 2, forMs: 2_500 },
  window: { fromMs: 500, toMs: 2_500 },
  patienceMs: PATIENCE_MS,
};
const SHORT: Trial = {
  deltas: SHORT_ANSWER,
  deltasPerSecond: null,
  arrivals: { kind: 'closed', clients: CLIENTS, forMs: 1_500 },
  window: { fromMs: 500, toMs: 1_500 },
  patienceMs: PATIENCE_MS,
};
/** Some load half of themselves with the first chat. */
const FIRST_CHAT: Trial = {
  ...SHORT,
  arrivals: { kind: 'closed', clients: 1, forMs: 1 },
  window: { fromMs: 0, toMs: 1 },
  patienceMs: 20_000,
};
/**
 * V8's compilers work beside on the same core: after 3,000 chats they still compiled a hundred functions within three
 * seconds of single ones, whose p99 was 8 ms then, and 1.3 when they had come to rest.
 */
const WARM_CHATS = 12_000;
/** Some would take minutes for as many. */
const WARM_UP_MS = 8_000;

const SHORT_CHATS: Measure = {
  figures: ['chats/s', 'CPU µs/chat'],
  async run(bed) {
    const { chats, windowMs, usage } = await hold(bed, SHORT);
    const cpuUs = usage['proxy']?.cpuUs ?? 0;
    return { 'chats/s': (chats / windowMs) * 1000, 'CPU µs/chat': cpuUs / chats };
  },
};

/**
 * In the order in which they are taken from each way, each time it has been started. Loads that leave the core idle
 * most of the time are held twice, and the first time is warm-up: compilers would be a part of what they measure.
 */
export const MEASURES: readonly Measure[] = [
  {
    figures: ['idle MB'],
    run: async ({ running }) => ({ 'idle MB': rssBytes(running.pids()) / MEGABYTE }),
  },
  {
    figures: ['batched CPU µs'],
    async run(bed) {
      await warmUp(bed);
      return { 'batched CPU µs': cpuPerEvent(await hold(bed, BATCHED), 'proxy') };
    },
  },
  {
    figures: ['saturated CPU µs', 'saturated load µs', 'events/s'],
    async run(bed) {
      const result = await hold(bed, SATURATED);
      return {
        'saturated CPU µs': cpuPerEvent(result, 'proxy'),
        'saturated load µs': cpuPerEvent(result, 'upstream', 'generator'),
        'events/s': (result.events / result.windowMs) * 1000,
      };
    },
  },
  firstText('1 at once', ONE_BY_ONE),
  firstText('64 at once', SIDE_BY_SIDE),
  SHORT_CHATS,
  {
    figures: ['paced CPU µs', 'paced load µs', 'gap p50 ms', 'gap p99 ms', 'steady MB'],
    async run(bed) {
      const result = await holdWarm(bed, PACED);
      return {
        'paced CPU µs': cpuPerEvent(result, 'proxy'),
        'paced load µs': cpuPerEvent(result, 'upstream', 'generator'),
        'gap p50 ms': result.gapMs.p50,
        'gap p99 ms': result.gapMs.p99,
        'steady MB': (result.usage['proxy']?.rssBytes ?? 0) / MEGABYTE,
      };
    },
  },
];

/** Of a way of which nothing else is asked. */
export const SHORT_CHATS_ALONE: Measure = {
  figures: SHORT_CHATS.figures,
  async run(bed) {
    await warmUp(bed);
    return SHORT_CHATS.run(bed);
  },
};

/** What an event of the older encoding costs one who reads neither and whose own is the newer. */
export const IN_LEGACY: Measure = {
  figures: ['saturated CPU µs', 'paced CPU µs'].map(inLegacy),
  async run(bed) {
    const saturated = await hold(bed, { ...SATURATED, encoding: 'legacy' });
    const paced = await holdWhole(bed, { ...PACED, encoding: 'legacy' });
    return {
      [inLegacy('saturated CPU µs')]: cpuPerEvent(saturated, 'proxy'),
      [inLegacy('paced CPU µs')]: cpuPerEvent(paced, 'proxy'),
    };
  },
};

/** How such a figure is called. */
export function inLegacy(figure: string): string {
  return `${figure}, legacy`;
}

export const AFTERWARDS: Measure = {
  figures: ['after MB'],
  async run({ running }) {
    await sleep(COOLING_MS);
    return { 'after MB': rssBytes(running.pids()) / MEGABYTE };
  },
};

/** The same for all: short chats, until there were enough of them or it has taken long enough. */
async function warmUp(bed: Bed): Promise<void> {
  await hold(bed, FIRST_CHAT);
  await hold(bed, { ...SATURATED, patienceMs: 3_000 });
  const until = performance.now() + WARM_UP_MS;
  for (let chats = 0; chats < WARM_CHATS && performance.now() < until;) {
    chats += (await hold(bed, SHORT)).correct;
  }
}

/** The second time of two. */
async function holdWarm(bed: Bed, trial: Trial): Promise<LoadResult> {
  await holdWhole(bed, trial);
  return holdWhole(bed, trial);
}

function firstText(name: string, trial: Trial): Measure {
  const [p50, p99] = [`${name} p50 ms`, `${name} p99 ms`];
  return {
    figures: [p50, p99],
    async run(bed) {
      const { firstTextMs } = await holdWarm(bed, trial);
      return { [p50]: firstTextMs.p50, [p99]: firstTextMs.p99 };
    },
  };
}

export function cpuPerEvent({ usage, events }: LoadResult, ...names: readonly string[]): number {
  if (events === 0) throw new Error('no event within the window');
  return names.reduce((sum, name) => sum + (usage[name]?.cpuUs ?? 0), 0) / events;
}
