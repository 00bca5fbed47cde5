import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { ChatError } from '../errors.ts';
import type { ProofPuzzle, ProofResult, ProofTask } from './tasks.ts';

export interface ProofPoolOptions {
  readonly threads: number;
  /** Challenges that may wait for a thread; one more is refused. */
  readonly maxQueue: number;
  /** For one challenge: how long it may wait for a thread, then how long the search may take. */
  readonly queueTimeoutMs: number;
  readonly timeoutMs: number;
}

export interface ProofAnswer {
  /** The solved config, without the header's prefix. */
  readonly base64: string;
  readonly tries: number;
}

/** Threads that search proofs of work. `close` finishes what was accepted, `destroy` does not. */
export interface ProofPool {
  /**
   * Rejects with the signal's reason at once when it aborts (a running search ends within milliseconds
   * and its thread goes on), with `proxy_overloaded` when no thread came free, with `upstream_timeout`
   * when the search took too long, with `shutting_down` after `close`.
   */
  solve(challenge: ProofPuzzle, signal: AbortSignal): Promise<ProofAnswer>;
  close(): Promise<void>;
  destroy(): Promise<void>;
  readonly queued: number;
  readonly running: number;
  readonly threadIds: readonly number[];
}

const WORKER = fileURLToPath(new URL('../../workers/proof.js', import.meta.url));
const OVERLOAD_RETRY_S = 5;
/** Some 20 ms of search between two looks at the clock. */
const SLICE_TRIES = 4_096;

/** One challenge on its way: waiting, then running, then settled. */
interface Job {
  readonly challenge: ProofPuzzle;
  readonly cancel: SharedArrayBuffer;
  /** Ends the wait's deadline. */
  onStart(): void;
  /** The first of these two calls decides; later ones do nothing. */
  resolve(answer: ProofAnswer): void;
  reject(reason: unknown): void;
}

export function createProofPool(options: ProofPoolOptions): ProofPool {
  const { threads, maxQueue, queueTimeoutMs, timeoutMs } = options;
  // Parking workers in Atomics.wait is right for pure computing, and a fixed number of threads spares
  // their start. The queue is ours: what is cancelled while it waits never reaches a thread, and no
  // AbortSignal goes to piscina, which would terminate the thread and skip its fast queue.
  const piscina = new Piscina<ProofTask, ProofResult>({
    filename: WORKER,
    minThreads: threads,
    maxThreads: threads,
    maxQueue: threads,
    atomics: 'sync',
    recordTiming: false,
  });
  // A Set keeps the order of arrival and forgets a cancelled job in O(1).
  const waiting = new Set<Job>();
  const running = new Set<Job>();
  let ending: Promise<void> | null = null;
  let onIdle = (): void => {};

  function solve(challenge: ProofPuzzle, signal: AbortSignal): Promise<ProofAnswer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (ending !== null) return Promise.reject(shuttingDown());
    if (running.size >= threads && waiting.size >= maxQueue) return Promise.reject(overloaded());
    const { promise, job } = createJob(challenge, signal);
    waiting.add(job);
    startNext();
    return promise;
  }

  function createJob(
    challenge: ProofPuzzle,
    signal: AbortSignal,
  ): { promise: Promise<ProofAnswer>; job: Job } {
    const cancel = new SharedArrayBuffer(4);
    const stop = (reason: unknown): void => {
      waiting.delete(job);
      Atomics.store(new Int32Array(cancel), 0, 1);
      job.reject(reason);
    };
    const onAbort = (): void => stop(signal.reason);
    const waitingTimer = setTimeout(() => stop(overloaded()), queueTimeoutMs);
    const leave = (): void => {
      clearTimeout(waitingTimer);
      signal.removeEventListener('abort', onAbort);
      if (waiting.size + running.size === 0) onIdle();
    };
    let resolve!: (answer: ProofAnswer) => void;
    let reject!: (reason: unknown) => void;
    const promise = new Promise<ProofAnswer>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    }).finally(leave);
    const onStart = (): void => clearTimeout(waitingTimer);
    const job: Job = { challenge, cancel, onStart, resolve, reject };
    signal.addEventListener('abort', onAbort, { once: true });
    return { promise, job };
  }

  function startNext(): void {
    if (running.size >= threads) return;
    const [job] = waiting;
    if (job === undefined) return;
    waiting.delete(job);
    running.add(job);
    job.onStart();
    void run(job);
  }

  async function run(job: Job): Promise<void> {
    try {
      const endsMs = performance.now() + timeoutMs;
      for (let from = 0; performance.now() < endsMs; from += SLICE_TRIES) {
        const slice = { from, tries: SLICE_TRIES, cancel: job.cancel };
        const result = await piscina.run({ type: 'proof', ...job.challenge, ...slice });
        if (result.type === 'solved') job.resolve({ base64: result.answer, tries: from + result.tries });
        if (result.type !== 'none') break;
      }
      job.reject(tookTooLong(timeoutMs));
    } catch (thrown) {
      job.reject(ending === null ? threadFailed(thrown) : shuttingDown());
    }
    running.delete(job);
    if (waiting.size + running.size === 0) onIdle();
    startNext();
  }

  function close(): Promise<void> {
    ending ??= new Promise<void>((resolve) => {
      onIdle = resolve;
      if (waiting.size + running.size === 0) resolve();
    }).then(() => piscina.close());
    return ending;
  }

  async function destroy(): Promise<void> {
    ending ??= Promise.resolve();
    for (const job of [...waiting, ...running]) job.reject(shuttingDown());
    await piscina.destroy();
  }

  return {
    solve,
    close,
    destroy,
    get queued() {
      return waiting.size;
    },
    get running() {
      return running.size;
    },
    get threadIds() {
      return piscina.threads.map((thread) => thread.threadId);
    },
  };
}

function overloaded(): ChatError {
  return new ChatError(
    'proxy_overloaded',
    'All threads for proof of work are busy. Try again shortly; POW_THREADS raises their number.',
    { retryAfterS: OVERLOAD_RETRY_S },
  );
}

// The challenge was within POW_DIFFICULTY and a thread was at work: a deadline passed, nothing else.
// Another attempt brings another challenge, and luck with it.
function tookTooLong(timeoutMs: number): ChatError {
  return new ChatError(
    'upstream_timeout',
    `The backend's proof of work was not found within ${timeoutMs / 1000} s. Try again.`,
    { retryable: true },
  );
}

function shuttingDown(): ChatError {
  return new ChatError('shutting_down', 'The proxy is shutting down.');
}

function threadFailed(cause: unknown): ChatError {
  return new ChatError('internal_error', 'The thread that searched a proof of work failed.', { cause });
}
