import { ChatError, toChatError } from '../errors.ts';
import type { Ask, Caller, Turn } from '../conversation/turn.ts';
import { Answer } from './answer.ts';
import { awaitDrawing } from './await-drawing.ts';
import { Deadline, deadlinePassed, pause } from './deadline.ts';
import type { Deadlines } from './deadline.ts';
import type { ChatPorts, CompleteTurn, Session, Trace, TurnSink } from './ports.ts';
import { pump } from './pump.ts';
import {
  askOthers,
  createRetryBudget,
  isHandOver,
  needsNoPlace,
  retryDelayMs,
  withRetryAfter,
} from './retry.ts';
import type { RetryBudget, RetryState } from './retry.ts';
import { NO_UPLOADS, clearAndUpload, hasAttachments } from './clear-and-upload.ts';

export interface CompletePolicy {
  /** Further attempts before the first byte. */
  readonly retryTimes: number;
  readonly deadlines: Deadlines;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Not given: one for all turns of this spine. */
  readonly budget?: RetryBudget;
}

/** What one turn is about, for all of its attempts. */
interface Errand {
  readonly turn: Turn;
  readonly caller: Caller;
  readonly sink: TurnSink;
  readonly signal: AbortSignal;
  readonly trace: Trace;
  readonly budget: RetryBudget;
  /** The deadline of the whole turn, on `performance.now`'s clock. */
  readonly endsAtMs: number;
  /** However it ended. */
  readonly end: () => void;
}

interface FailedAttempt extends Pick<
  RetryState,
  'hasOtherAccount' | 'hasOtherGateway' | 'isKept' | 'asked' | 'opened'
> {
  readonly failure: ChatError;
  readonly session: Session;
}

/**
 * One chat turn, top to bottom. An attempt leases an identity, clears upstream's challenges while the
 * question's files go up, asks, and pumps the answer into the sink, asking on where upstream cut it
 * and waiting for pictures that it put off; what it took is given back however it ends. As long as the client has received nothing, a failure
 * that another attempt may cure is tried again.
 *
 * Rejects with the ChatError of the last attempt, or with the signal's reason.
 */
export function createComplete(ports: ChatPorts, policy: CompletePolicy): CompleteTurn {
  const budget = policy.budget ?? createRetryBudget();
  return (turn, caller, sink, scope, trace) => {
    const { totalMs } = policy.deadlines;
    const endsAtMs = performance.now() + totalMs;
    const leaveBudget = budget.enter();
    const total = new Deadline(totalMs, () => {
      // A long answer is nobody's fault.
      const details = { place: 'neither' } as const;
      scope.abort(deadlinePassed('TOTAL_TIMEOUT_MS', totalMs, 'The answer was not complete', details));
    });
    const end = (): void => {
      leaveBudget();
      total.stop();
    };
    const { signal } = scope;
    return attemptUntilDone(ports, policy, { turn, caller, sink, signal, trace, budget, endsAtMs, end });
  };
}

async function attemptUntilDone(ports: ChatPorts, policy: CompletePolicy, errand: Errand): Promise<void> {
  const { sink, signal, trace, budget, endsAtMs } = errand;
  const { retryTimes, random } = policy;
  const tried: Session[] = [];
  let endRetry = noRetry;
  try {
    for (;;) {
      trace.attempts += 1;
      const failed = await attempt(ports, policy, errand, tried);
      endRetry();
      if (failed === null) return;
      const { failure, session, ...circumstances } = failed;
      tried.push(session);
      const leftMs = endsAtMs - performance.now();
      const state = { ...circumstances, attempt: trace.attempts, retryTimes, leftMs, random };
      const delayMs = retryDelayMs(failure, state);
      if (delayMs === null || sink.committed) {
        throw isHandOver(failure, circumstances) ? askOthers(failure) : failure;
      }
      const permit = budget.take(needsNoPlace(failure, circumstances));
      if (permit === null) throw withRetryAfter(failure);
      endRetry = permit;
      await pause(delayMs, signal);
      // Headers leave on their own after a while of silence, also during this pause.
      if (sink.committed) throw failure;
    }
  } finally {
    endRetry();
    errand.end();
  }
}

function noRetry(): void {}

/** Null: the answer is complete. Throws only what no further attempt can cure. */
async function attempt(
  ports: ChatPorts,
  policy: CompletePolicy,
  { turn, caller, sink, signal, trace }: Errand,
  tried: readonly Session[],
): Promise<FailedAttempt | null> {
  const lease = await ports.lease(caller, turn, tried, signal);
  trace.leasedMs = Date.now() - trace.startedAt;
  const isKept = turn.keepHistory || turn.conversationId !== null;
  let asked = false;
  const answer = new Answer(sink, (conversationId, messageId) => {
    if (isKept) lease.keep(conversationId, messageId);
  });
  const parentMessageId = turn.parentMessageId ?? lease.lastMessageId;
  let failure: ChatError | null = null;
  try {
    const [cleared, uploads] = hasAttachments(turn)
      ? await clearAndUpload(ports, lease.session, turn, signal)
      : ([await ports.clear(lease.session, turn, signal), NO_UPLOADS] as const);
    trace.clearedMs = Date.now() - trace.startedAt;
    let clearance = cleared;
    const asking = parentMessageId === turn.parentMessageId ? turn : { ...turn, parentMessageId };
    let ask: Ask = { turn: asking, uploads, continued: null };
    for (;;) {
      asked = true;
      await pump((reader) => ports.converse(lease.session, ask, clearance, reader), answer, signal, {
        deadlines: policy.deadlines,
        trace,
        link: (asset, linkSignal) => ports.link(lease.session, asset, linkSignal),
      });
      const { pending } = answer;
      if (pending !== null) await awaitDrawing(pending, answer, ports, lease.session, signal);
      const continued = answer.goOn();
      if (continued === null) return null;
      ask = { ...ask, continued };
      clearance = await ports.clear(lease.session, turn, signal);
    }
  } catch (thrown) {
    if (signal.aborted) {
      failure = toLeaving(signal.reason);
      throw signal.reason;
    }
    failure = toChatError(thrown);
    if (failure.code !== 'internal_error' && answer.settle()) return null;
    const { session, hasOtherAccount, hasOtherGateway = false } = lease;
    const others = { hasOtherAccount, hasOtherGateway };
    return { failure, session, ...others, isKept, asked, opened: answer.hasOpened };
  } finally {
    lease.release(failure);
  }
}

/** What the lease is told of an attempt that was ended from outside: it neither failed nor went well. */
function toLeaving(reason: unknown): ChatError {
  return reason instanceof ChatError ? reason : new ChatError('internal_error', 'The caller left.');
}
