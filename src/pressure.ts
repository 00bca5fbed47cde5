import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** What the machine says of itself over the last second. */
export interface PressureSample {
  /** The median lateness of timers, in ms. */
  readonly loopDelayMs: number;
  /** The share of the JavaScript heap's limit that is in use, 0 to 1. */
  readonly heapShare: number;
  /** The share of the container's memory that the process has, 0 to 1; 0: no limit is known. */
  readonly memoryShare: number;
}

/** Says when new work would only make everything late. */
export interface Pressure {
  /** Completes "This proxy is full: ..."; null: there is room. */
  readonly reason: () => string | null;
  readonly sample: PressureSample;
  stop(): void;
}

/** Streams are unreadable by then. */
const MAX_LOOP_DELAY_MS = 500;
/** In so many looks in a row, as one pause, be it of seconds, is a look's only sample and its median. */
const LASTING_LOOKS = 3;
const MAX_HEAP_SHARE = 0.92;
const MAX_MEMORY_SHARE = 0.95;
const SAMPLE_EVERY_MS = 1_000;
/**
 * Every timer of such a monitor wakes the program. With two of them at 10 ms, this one and that of the metrics, an
 * idle program took 1.0 % of a core, and with two at 100 ms 0.3.
 */
export const LOOP_PROBE_EVERY_MS = 100;
const NS_PER_MS = 1e6;

/** What is asked of a sample, apart from how it is taken. */
export function pressureReason({ loopDelayMs, heapShare, memoryShare }: PressureSample): string | null {
  if (loopDelayMs > MAX_LOOP_DELAY_MS) return `it runs ${Math.round(loopDelayMs)} ms late`;
  if (heapShare > MAX_HEAP_SHARE) return `its heap is ${percent(heapShare)} full`;
  if (memoryShare > MAX_MEMORY_SHARE) return `it has ${percent(memoryShare)} of its memory in use`;
  return null;
}

/** Looks once a second; a look costs some 10 us. */
export function createPressure(): Pressure {
  const delays = monitorEventLoopDelay({ resolution: LOOP_PROBE_EVERY_MS });
  delays.enable();
  let sample: PressureSample = { loopDelayMs: 0, heapShare: 0, memoryShare: 0 };
  let lastDelays: readonly number[] = Array.from({ length: LASTING_LOOKS }, () => 0);
  let reason: string | null = null;
  const timer = setInterval(() => {
    const loopDelayMs = Math.max(0, delays.percentile(50) / NS_PER_MS - LOOP_PROBE_EVERY_MS);
    delays.reset();
    sample = { loopDelayMs, heapShare: heapShare(), memoryShare: memoryShare() };
    lastDelays = [...lastDelays.slice(1), loopDelayMs];
    reason = pressureReason({ ...sample, loopDelayMs: Math.min(...lastDelays) });
  }, SAMPLE_EVERY_MS);
  timer.unref();
  return {
    reason: () => reason,
    get sample() {
      return sample;
    },
    stop() {
      clearInterval(timer);
      delays.disable();
    },
  };
}

function heapShare(): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return limit === 0 ? 0 : used / limit;
}

// Without a limit the kernel reports one beyond any machine's memory.
function memoryShare(): number {
  const limit = process.constrainedMemory();
  return limit === undefined || limit === 0 ? 0 : process.memoryUsage.rss() / limit;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
