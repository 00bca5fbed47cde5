import { setTimeout as sleep } from 'node:timers/promises';
import type { LateMetrics } from './late-metrics.ts';
import { loadTokenizer, readVocabulary } from './tokens/tokenizer.ts';

export interface RehearsalOptions {
  /** Whether the chats are answered as streams, or whole. */
  readonly stream: boolean;
  /** Called before each chat. Rejects when there shall be no more: real ones come all the time, or it ends. */
  readonly pause: () => Promise<void>;
}

export interface WarmUpOptions {
  /** Not given: there is none. Never rejects. */
  readonly rehearse?: ((options: RehearsalOptions) => Promise<void>) | undefined;
  readonly compileSearch: () => Promise<void>;
  /** Not given: nothing is asked for. Never rejects. */
  readonly openPage?: (() => Promise<unknown>) | undefined;
  readonly metrics: LateMetrics;
  /** Nobody waits for the thread now, or is likely to in a moment. */
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
 * - the rehearsal of streams
 * - the gateway's landing page, for which the first chat would wait, and a connection to it
 * - a vocabulary, for chats whose tokens are counted: read in slices, then indexed in one go of 80 ms
 * - the rehearsal of whole answers, whose tokens are
 * - the metrics' library: 100 modules, 60 ms of processor time, and nobody looks before the first scrape
 * - web sockets: 14 modules, 36 ms, for backends and web sites that use them
 */
export async function warmUp(options: WarmUpOptions): Promise<void> {
  const {
    rehearse = async () => {},
    compileSearch,
    openPage = async () => {},
    metrics,
    isQuiet,
    signal,
  } = options;
  const pause = async (): Promise<void> => {
    if (!(await quietMoment(isQuiet, signal))) throw new Error('not now');
  };
  const steps: readonly (() => Promise<unknown>)[] = [
    compileSearch,
    () => rehearse({ stream: true, pause }),
    // A gateway that does not answer holds up nothing.
    async () => void openPage(),
    () => readVocabulary('o200k_base'),
    () => loadTokenizer('o200k_base'),
    () => rehearse({ stream: false, pause }),
    () => metrics.load(),
    () => import('ws'),
    () => readVocabulary('cl100k_base'),
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

/** False: none came, or the program ends. */
async function quietMoment(isQuiet: () => boolean, signal: AbortSignal): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < MAX_WAIT_MS; waitedMs += LOOK_AGAIN_MS) {
    if (signal.aborted) return false;
    if (isQuiet()) return true;
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
  }
  return false;
}
