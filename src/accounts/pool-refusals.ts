import { ChatError } from '../errors.ts';
import type { ModelLimit } from './records.ts';

/** Why the pool gives no account, as the client reads it. None of these gets better on a retry within the request. */

const OVERLOAD_RETRY_S = 5;
/** A new process is there by then, if there is going to be one. */
const RESTART_S = 5;

export function queueFull(maxQueue: number): ChatError {
  return overloaded(
    `All accounts are busy and ${maxQueue} chats wait for one already, the limit (MAX_QUEUE).`,
  );
}

/** Its place went to a key that has fewer in the queue. */
export function crowdedOut(maxQueue: number): ChatError {
  return overloaded(
    `All accounts are busy, ${maxQueue} chats wait for one, the limit (MAX_QUEUE), and your key has the most among them.`,
  );
}

export function waitedTooLong(timeoutMs: number): ChatError {
  return overloaded(`No account came free within ${timeoutMs / 1000} s (QUEUE_TIMEOUT_MS).`);
}

function overloaded(what: string): ChatError {
  const advice =
    'This is the proxy, not the backend. Try again shortly; more accounts serve more chats at once.';
  return new ChatError('proxy_overloaded', `${what} ${advice}`, { retryAfterS: OVERLOAD_RETRY_S });
}

/** @param untilMs when the first of them serves the model again */
export function allLimited(count: number, untilMs: number, nowMs: number): ChatError {
  return limited(
    `All ${count} usable accounts of this proxy have reached the backend's own limit for this model.`,
    untilMs,
    nowMs,
  );
}

/** The conversation's own account cannot serve it for now, and no other knows it. */
export function homeLimited({ untilMs }: ModelLimit, nowMs: number): ChatError {
  return limited(
    "The account on which this conversation lives has reached the backend's own limit for this model.",
    untilMs,
    nowMs,
  );
}

/** An account that the caller brought. */
export function ownLimited({ untilMs }: ModelLimit, nowMs: number): ChatError {
  return limited("Your account has reached the backend's own limit for this model.", untilMs, nowMs);
}

function limited(what: string, untilMs: number, nowMs: number): ChatError {
  const waitS = Math.max(1, Math.ceil((untilMs - nowMs) / 1000));
  const when = `${new Date(untilMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  return new ChatError('rate_limit_exceeded', `${what} Try again after ${when}, in ${waitS} s.`, {
    retryAfterS: waitS,
    retryable: false,
  });
}

export function noneUsable(count: number): ChatError {
  return new ChatError(
    'account_unauthorized',
    `None of this proxy's ${count} accounts can be used: they are disabled or their tokens were refused. Its operator sees why on the accounts page (/tokens).`,
    { retryable: false },
  );
}

export function homeUnusable(): ChatError {
  return new ChatError(
    'account_unauthorized',
    "The account on which this conversation lives cannot be used: it is disabled or its token was refused. Begin a new conversation; the proxy's operator sees why on the accounts page (/tokens).",
    { retryable: false },
  );
}

export function homeGone(): ChatError {
  return new ChatError(
    'conversation_not_found',
    'The account on which this conversation lived is no longer part of this proxy. Begin a new conversation.',
    { param: 'conversation_id' },
  );
}

export function poolClosed(): ChatError {
  return new ChatError('shutting_down', 'The proxy is shutting down. Try again in a few seconds.', {
    retryAfterS: RESTART_S,
  });
}
