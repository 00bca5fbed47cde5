import type { ChatError } from '../errors.ts';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 2000;

/**
 * How long to wait before the next attempt, or null when there must be none. Nothing is retried
 * that is the request's own fault, or an account's when there is no other. Upstream's own waiting
 * time is honoured: one that is too long to sit out is handed to the client instead.
 *
 * @param attempt attempts made so far, at least 1
 * @param random a number in [0, 1): full jitter, so that many failures at once do not come back at once
 */
export function retryDelayMs(
  failure: ChatError,
  attempt: number,
  retryTimes: number,
  hasOtherAccount: boolean,
  random: () => number,
): number | null {
  if (!failure.retryable || attempt > retryTimes) return null;
  if (failure.fault === 'account') return hasOtherAccount ? 0 : null;
  const askedMs = (failure.retryAfterS ?? 0) * 1000;
  if (askedMs > MAX_DELAY_MS) return null;
  const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return Math.max(askedMs, random() * ceiling);
}
