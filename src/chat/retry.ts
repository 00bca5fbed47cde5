import { ChatError } from '../errors.ts';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 2000;

/** What the next attempt depends on beside the failure. */
export interface RetryState {
  /** Attempts made so far, at least 1. */
  readonly attempt: number;
  /** Further attempts allowed. */
  readonly retryTimes: number;
  readonly hasOtherAccount: boolean;
  /** A gateway that is well, and was not tried; not given: there is none. */
  readonly hasOtherGateway?: boolean;
  /** Until the deadline of the whole turn. */
  readonly leftMs: number;
  /** The turn leaves a trace in the account's history. */
  readonly isKept: boolean;
  /** The question had been handed over to be sent. */
  readonly asked: boolean;
  /** Upstream had begun to answer. */
  readonly opened: boolean;
  /** A number in [0, 1): full jitter, so that many failures at once do not come back at once. */
  readonly random: () => number;
}

/**
 * How long to wait before the next attempt, or null when there must be none. Nothing is retried
 * that is the request's own fault, or an account's when there is no other. Upstream's own waiting
 * time is honoured: one that is too long to sit out, or that the turn's deadline does not leave, is
 * handed to the client instead. What one gateway asks for does not bind another.
 */
export function retryDelayMs(failure: ChatError, state: RetryState): number | null {
  const { attempt, retryTimes, leftMs, isKept, random } = state;
  if (!failure.retryable || attempt > retryTimes) return null;
  if (isKept && mayHaveStarted(failure, state)) return null;
  if (isHandOver(failure, state)) return leftMs > 0 ? 0 : null;
  if (lacksModel(failure)) return null;
  // "One message at a time": the same account may be free in a moment.
  if (failure.fault === 'account' && failure.limit !== 'concurrency') return null;
  const isBound = failure.fault === 'account' || state.hasOtherGateway !== true;
  const askedMs = isBound ? (failure.retryAfterS ?? 0) * 1000 : 0;
  if (askedMs > MAX_DELAY_MS) return null;
  const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  const delayMs = Math.max(askedMs, random() * ceiling);
  return delayMs < leftMs ? delayMs : null;
}

/**
 * What costs no place in the budget, for it is bounded otherwise. An account failed, or lacks the model,
 * and another takes over: the one that failed is out of use. Or nothing had left for upstream, and not
 * for the sake of the only gateway as far as we know: upstream hears of the next attempt first, and a proxy
 * or one gateway of several that dies costs nobody his answer.
 */
export function needsNoPlace(failure: ChatError, others: Others): boolean {
  if (isHandOver(failure, others)) return true;
  return failure.unsent && (failure.place !== 'gateway' || others.hasOtherGateway === true);
}

type Others = OtherAccount & Pick<RetryState, 'hasOtherGateway'>;

type OtherAccount = Pick<RetryState, 'hasOtherAccount'>;

/** The account is at fault, or lacks the model, and another takes over. */
export function isHandOver(failure: ChatError, { hasOtherAccount }: OtherAccount): boolean {
  return hasOtherAccount && (failure.fault === 'account' || lacksModel(failure));
}

function lacksModel({ code, retryable }: ChatError): boolean {
  return code === 'model_not_found' && retryable;
}

/**
 * Could upstream be answering a question whose attempt failed? The question is a POST: in a kept chat
 * its repetition would stand in the history as a second one, so it is repeated only on proof that it
 * was not begun. A temporary chat leaves nothing behind, and is asked again.
 *
 *   the attempt failed                                    begun?
 *   before the question: requirements, proof, uploads     no: nothing of it was said
 *   no connection: refused, no tunnel, no TLS, timeout    no: it is written to open connections only
 *   refused by status or in words, whatever the status    no: upstream says so
 *   answered by what is no event stream                   no: a turn is answered by one
 *   connection gone before the answer's head              perhaps
 *   event stream opened, and cut or garbled               yes
 */
function mayHaveStarted({ code, unsent }: ChatError, { asked, opened }: RetryState): boolean {
  if (!asked || unsent) return false;
  if (code === 'upstream_unreachable') return true;
  return opened && code === 'upstream_protocol_error';
}

/** How many turns may be retried at once: when everything fails, retries must not be what upstream dies of. */
export interface RetryBudget {
  readonly active: number;
  readonly retrying: number;
  /** How many may be retrying now. */
  readonly allowed: number;
  /** Since the start. */
  readonly totals: { readonly made: number; readonly denied: number };
  /** A turn begins; the returned function, idempotent, ends it. */
  enter(): () => void;
  /**
   * A place for one retry, from the decision to its end; the returned function, idempotent, frees it. Null: spent.
   * `isFree`: it needs none and is never denied.
   */
  take(isFree?: boolean): (() => void) | null;
}

export interface RetryBudgetOptions {
  /** Of the active turns. */
  readonly share: number;
  /** Allowed however few are active. */
  readonly min: number;
}

const BUDGET: RetryBudgetOptions = { share: 0.2, min: 3 };

export function createRetryBudget({ share, min }: RetryBudgetOptions = BUDGET): RetryBudget {
  const active = createTally();
  const retrying = createTally();
  const totals = { made: 0, denied: 0 };
  const allowed = (): number => Math.max(min, active.count * share);
  return {
    totals,
    get active() {
      return active.count;
    },
    get retrying() {
      return retrying.count;
    },
    get allowed() {
      return allowed();
    },
    enter: () => active.add(),
    take(isFree = false) {
      const isSpent = !isFree && retrying.count + 1 > allowed();
      totals[isSpent ? 'denied' : 'made'] += 1;
      if (isFree) return () => {};
      return isSpent ? null : retrying.add();
    },
  };
}

interface Tally {
  readonly count: number;
  add(): () => void;
}

function createTally(): Tally {
  let count = 0;
  return {
    get count() {
      return count;
    },
    add() {
      let isPresent = true;
      count += 1;
      return () => {
        if (isPresent) count -= 1;
        isPresent = false;
      };
    },
  };
}

const SPENT_RETRY_S = 1;

/** The limit of the last account that was tried says nothing of the others: nobody need wait until it ends. */
export function askOthers(failure: ChatError): ChatError {
  if (failure.code !== 'rate_limit_exceeded') return failure;
  return new ChatError(
    failure.code,
    "The accounts that were tried have reached the backend's own limit; others may not have. Try again.",
    { retryAfterS: SPENT_RETRY_S, retryable: false, cause: failure },
  );
}

/** The failure as the client gets it when we would have retried and may not: it is told when to. */
export function withRetryAfter(failure: ChatError): ChatError {
  const { code, message, param, retryable, place, unsent, limit, account, cause } = failure;
  return new ChatError(code, message, {
    ...(param === null ? {} : { param }),
    ...(place === null ? {} : { place }),
    ...(limit === null ? {} : { limit }),
    ...(account === null ? {} : { account }),
    retryAfterS: failure.retryAfterS ?? SPENT_RETRY_S,
    retryable,
    unsent,
    cause,
  });
}
