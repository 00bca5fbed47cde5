import { Link, LinkedList } from '../linked-list.ts';
import { createCrew } from './crew.ts';
import type { CrewOptions } from './crew.ts';
import { Job } from './job.ts';
import type { Range } from './job.ts';
import { Line } from './line.ts';
import type { PlaceInLine, Urgency } from './line.ts';
import { overloaded, shuttingDown, threadFailed, tookTooLong } from './pool-errors.ts';
import type { ProofPuzzle, ProofResult } from './tasks.ts';

export interface ProofPoolOptions extends CrewOptions {
  /** Puzzles of either urgency that may wait for a thread; one more is refused. */
  readonly maxQueue: number;
  /** For one puzzle: how long it may be without a thread, and how long the search may take; each in all. */
  readonly queueTimeoutMs: number;
  readonly timeoutMs: number;
}

export interface ProofAnswer {
  /** The solved config, without the header's prefix. */
  readonly base64: string;
  /** Counters tried, by all threads. */
  readonly tries: number;
}

/** Sums since the start. */
export interface ProofStats {
  readonly solved: number;
  /** Refused, late, or broken; those whose client left are not counted. */
  readonly failed: number;
  /** Of all threads together, with their first exercises. */
  readonly tries: number;
  readonly busyMs: number;
  /** What puzzles that ended, however, spent without a thread. */
  readonly waitedMs: number;
  /** Slices whose thread died. */
  readonly lostSlices: number;
}

/** Threads that search proofs of work. `close` finishes what clients wait for, `destroy` does not. */
export interface ProofPool {
  /**
   * Rejects with the signal's reason at once when it aborts (a running search ends within milliseconds
   * and its thread goes on), with `proxy_overloaded` when no thread came free, with `upstream_timeout`
   * when the search took too long, with `shutting_down` after `close`. What has the urgency
   * `background` delays nobody by more than a slice. Not given: `client`.
   */
  solve(puzzle: ProofPuzzle, signal: AbortSignal, urgency?: Urgency): Promise<ProofAnswer>;
  close(): Promise<void>;
  destroy(): Promise<void>;
  /** Puzzles no thread is at. */
  readonly queued: number;
  /** Puzzles that threads are at. */
  readonly running: number;
  readonly threadIds: readonly number[];
  readonly stats: ProofStats;
  /** When all that clients wait for now will be solved, with average luck. */
  readonly backlogMs: number;
}

/** A puzzle over which more threads died is at fault itself. */
const MAX_LOST_SLICES = 3;

/** Whom to tell of a job. The first of `solved` and `failed` decides; later ones do nothing. */
interface Order {
  /** What one thread will probably need for it. */
  readonly workMs: number;
  readonly inLine: PlaceInLine;
  /** Among all orders of its urgency. */
  readonly place: Link<Job<Order>>;
  solved(answer: ProofAnswer): void;
  failed(reason: unknown): void;
}

export function createProofPool(options: ProofPoolOptions): ProofPool {
  const { threads, maxQueue, queueTimeoutMs, timeoutMs } = options;
  const line = new Line<Job<Order>>();
  /** What somebody waits for. */
  const wanted = { client: new LinkedList<Job<Order>>(), background: new LinkedList<Job<Order>>() };
  /** What threads are at, also when nobody waits for it any more. */
  let searched = 0;
  const sums = { solved: 0, failed: 0, waitedMs: 0 };
  let clientWorkMs = 0;
  let ending: Promise<void> | null = null;
  let onIdle = (): void => {};
  const crew = createCrew(options, () => {
    fill();
    checkIdle();
  });

  function solve(
    puzzle: ProofPuzzle,
    signal: AbortSignal,
    urgency: Urgency = 'client',
  ): Promise<ProofAnswer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (ending !== null) return Promise.reject(shuttingDown());
    if (wanted[urgency].size >= threads + maxQueue) {
      sums.failed += 1;
      return Promise.reject(overloaded(backlogMs()));
    }
    return new Promise((resolve, reject) => accept(puzzle, urgency, signal, resolve, reject));
  }

  function accept(
    puzzle: ProofPuzzle,
    urgency: Urgency,
    signal: AbortSignal,
    resolve: (answer: ProofAnswer) => void,
    reject: (reason: unknown) => void,
  ): void {
    const job = new Job<Order>({
      puzzle,
      urgency,
      limitsMs: { waiting: queueTimeoutMs, searching: timeoutMs },
      onLate: (phase) =>
        job.order?.failed(phase === 'waiting' ? overloaded(backlogMs()) : tookTooLong(timeoutMs)),
    });
    const onAbort = (): void => {
      if (forget(job)) reject(signal.reason);
    };
    const order: Order = {
      workMs: Math.min(timeoutMs, crew.expectedMs(puzzle.text.search, job.expectedTries)),
      inLine: line.add(job),
      place: new Link(job),
      solved(answer) {
        if (!forget(job)) return;
        signal.removeEventListener('abort', onAbort);
        sums.solved += 1;
        resolve(answer);
      },
      failed(reason) {
        if (!forget(job)) return;
        signal.removeEventListener('abort', onAbort);
        sums.failed += 1;
        reject(reason);
      },
    };
    signal.addEventListener('abort', onAbort, { once: true });
    job.order = order;
    wanted[urgency].append(order.place);
    if (urgency === 'client') clientWorkMs += order.workMs;
    fill();
  }

  /** False: forgotten already. */
  function forget(job: Job<Order>): boolean {
    const { order } = job;
    if (order === null) return false;
    job.order = null;
    order.place.leave();
    order.inLine.leave();
    job.end();
    sums.waitedMs += job.spentMs.waiting;
    // Sums of fractions drift: an empty line is the moment to begin anew.
    if (wanted.client.size === 0) clientWorkMs = 0;
    else if (job.urgency === 'client') clientWorkMs -= order.workMs;
    checkIdle();
    return true;
  }

  /** Gives idle threads to whoever is next. */
  function fill(): void {
    while (crew.idle > 0) {
      const job = line.next(hasRoom);
      if (job === null) return;
      void search(job, job.take(crew.sliceTries(job.puzzle.text.search)));
    }
  }

  /** A thread more helps as long as the tries that are under way will probably not do. */
  function hasRoom({ slices, puzzle, expectedTries }: Job<Order>): boolean {
    return slices === 0 || slices * crew.sliceTries(puzzle.text.search) < expectedTries;
  }

  async function search(job: Job<Order>, range: Range): Promise<void> {
    if (job.slices === 0) searched += 1;
    job.slices += 1;
    job.enter('searching');
    try {
      conclude(job, await crew.run(job.puzzle, range, job.cancel));
    } catch (thrown) {
      recover(job, range, thrown);
    }
    job.slices -= 1;
    if (job.slices === 0) searched -= 1;
    fill();
    if (job.slices > 0) return;
    if (job.order !== null) job.enter('waiting');
    checkIdle();
  }

  function conclude(job: Job<Order>, result: ProofResult): void {
    job.tries += result.tries;
    if (result.type === 'solved') job.order?.solved({ base64: result.answer, tries: job.tries });
  }

  /** The thread died. Its counters are not to blame until more than one thread did. */
  function recover(job: Job<Order>, range: Range, thrown: unknown): void {
    job.giveBack(range);
    if (job.lost > MAX_LOST_SLICES) job.order?.failed(threadFailed(thrown));
  }

  function backlogMs(): number {
    return clientWorkMs / threads;
  }

  function queued(): number {
    return [...wanted.client, ...wanted.background].filter((job) => job.slices === 0).length;
  }

  function checkIdle(): void {
    if (wanted.client.size === 0 && crew.idle === threads) onIdle();
  }

  function failAll(jobs: Iterable<Job<Order>>): void {
    for (const job of jobs) job.order?.failed(shuttingDown());
  }

  function close(): Promise<void> {
    ending ??= new Promise<void>((resolve) => {
      onIdle = resolve;
      failAll(wanted.background);
      checkIdle();
    }).then(() => crew.close());
    return ending;
  }

  async function destroy(): Promise<void> {
    ending ??= Promise.resolve();
    failAll(wanted.client);
    failAll(wanted.background);
    await crew.destroy();
  }

  return {
    solve,
    close,
    destroy,
    get queued() {
      return queued();
    },
    get running() {
      return searched;
    },
    get threadIds() {
      return crew.threadIds;
    },
    get stats() {
      return { ...crew.sums, ...sums };
    },
    get backlogMs() {
      return backlogMs();
    },
  };
}
