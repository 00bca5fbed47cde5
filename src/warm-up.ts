import { setTimeout as sleep } from 'node:timers/promises';
import type { LateMetrics } from './late-metrics.ts';
import { loadTokenizer } from './tokens/tokenizer.ts';

export interface WarmUpOptions {
  readonly rehearse?: (() => Promise<void>) | undefined;
  readonly compileSearch: () => Promise<void>;
  readonly metrics: LateMetrics;
  /** Nobody waits for the thread now. */
  readonly isQuiet: () => boolean;
  /** The program ends. */
  readonly signal: AbortSignal;
}

/** Whoever waited for the program to listen has the thread first. */
const GRACE_MS = 100;
const LOOK_AGAIN_MS = 20;
/** A program that is never quiet is warmed up all the same. */
const MAX_WAIT_MS = 2_000;

/**
 * All that a start does without and requests want later, in the order in which they do; who wants it
 * earlier loads it earlier. Every step blocks the thread for a while, so each has a quiet moment of its own.
 *
 * - the threads' search, for the proofs that are short enough to be done here
 * - the rehearsal: halves the time of a first chat that comes after it
 * - the metrics' library: 100 modules, 60 ms of processor time, and nobody looks before the first scrape
 * - the vocabularies: for chats whose tokens are counted
 * - web sockets: 14 modules, 36 ms, for backends and web sites that use them
 */
export async function warmUp(options: WarmUpOptions): Promise<void> {
  const { rehearse = async () => {}, compileSearch, metrics, isQuiet, signal } = options;
  const steps: readonly (() => Promise<unknown>)[] = [
    compileSearch,
    rehearse,
    () => loadTokenizer('o200k_base'),
    () => metrics.load(),
    () => import('ws'),
    () => loadTokenizer('cl100k_base'),
  ];
  await sleep(GRACE_MS, undefined, { ref: false });
  for (const step of steps) {
    await quietMoment(isQuiet, signal);
    if (signal.aborted) return;
    // Whoever needs what cannot be loaded finds out.
    await step().catch(() => undefined);
  }
}

async function quietMoment(isQuiet: () => boolean, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < MAX_WAIT_MS; waitedMs += LOOK_AGAIN_MS) {
    if (signal.aborted || isQuiet()) return;
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
  }
}
