import { fileURLToPath } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Range } from './job.ts';
import { Pace } from './pace.ts';
import type { ProofPuzzle, ProofResult, ProofTask, ProofText } from './tasks.ts';

export interface CrewOptions {
  readonly threads: number;
  /** The file that threads run; not given: our own. */
  readonly worker?: string;
  readonly resourceLimits?: ResourceLimits;
}

/** A fixed number of threads and what is known of their work. */
export interface Crew {
  /** Occupies one of the idle threads. Rejects when the thread died; another takes its place. */
  run(puzzle: ProofPuzzle, range: Range, cancel: SharedArrayBuffer): Promise<ProofResult>;
  /** Threads with nothing to do; none of them while they start. */
  readonly idle: number;
  /** How many counters fill a slice. */
  sliceTries(search: ProofText['search']): number;
  /** How long one thread takes for so many. */
  expectedMs(search: ProofText['search'], tries: number): number;
  readonly threadIds: readonly number[];
  /** Sums since the start, the threads' first exercises included. */
  readonly sums: { readonly tries: number; readonly busyMs: number; readonly lostSlices: number };
  close(): Promise<void>;
  destroy(): Promise<void>;
}

const WORKER = fileURLToPath(new URL('../../workers/proof.js', import.meta.url));
/** A thread is ready when it has had some work: its code is loaded, then compiled. */
const EXERCISES = [64, 2_048] as const;
const NEVER_SOLVED: ProofPuzzle = {
  seed: '0',
  difficulty: '0'.repeat(128),
  text: { search: 'tail', parts: [`[${'0,'.repeat(200)}`, ']'] },
};

/** `onFree` is called when a thread has become idle without `run` having ended. */
export function createCrew(options: CrewOptions, onFree: () => void): Crew {
  const piscina = openThreads(options);
  const pace = new Pace();
  const sums = { tries: 0, busyMs: 0, lostSlices: 0 };
  let idle = options.threads;

  async function run(puzzle: ProofPuzzle, range: Range, cancel: SharedArrayBuffer): Promise<ProofResult> {
    const startMs = performance.now();
    idle -= 1;
    try {
      const result = await piscina.run({ type: 'proof', ...puzzle, ...range, cancel });
      const tookMs = performance.now() - startMs;
      sums.busyMs += tookMs;
      sums.tries += result.tries;
      pace.note(puzzle.text.search, result.tries, tookMs);
      return result;
    } catch (thrown) {
      sums.lostSlices += 1;
      throw thrown;
    } finally {
      idle += 1;
    }
  }

  /** A chat that comes meanwhile would have to wait for the thread's start anyway. */
  async function exercise(): Promise<void> {
    const cancel = new SharedArrayBuffer(4);
    try {
      for (const tries of EXERCISES) await run(NEVER_SOLVED, { from: 0, tries }, cancel);
    } catch {
      // Whoever needs the thread finds out.
    }
    onFree();
  }

  for (let started = 0; started < options.threads; started += 1) void exercise();
  return {
    run,
    get idle() {
      return idle;
    },
    sliceTries: (search) => pace.sliceTries(search),
    expectedMs: (search, tries) => pace.expectedMs(search, tries),
    get threadIds() {
      return piscina.threads.map((thread) => thread.threadId);
    },
    sums,
    close: () => piscina.close(),
    destroy: () => piscina.destroy(),
  };
}

/**
 * Parking workers in Atomics.wait is right for pure computing, and a fixed number of threads spares
 * their start. No AbortSignal goes to piscina, which would terminate the thread: a shared flag stops it.
 */
function openThreads({ threads, worker, resourceLimits }: CrewOptions): Piscina<ProofTask, ProofResult> {
  const piscina = new Piscina<ProofTask, ProofResult>({
    filename: worker ?? WORKER,
    minThreads: threads,
    maxThreads: threads,
    maxQueue: threads,
    atomics: 'sync',
    recordTiming: false,
    ...(resourceLimits !== undefined && { resourceLimits }),
  });
  // A thread that dies with nothing to do is replaced all the same.
  piscina.on('error', () => undefined);
  return piscina;
}
