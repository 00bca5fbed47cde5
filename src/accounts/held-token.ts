import type { AccessToken } from './records.ts';

/** An access token and what is planned for it. Times are of the wall clock. */
export interface HeldToken {
  readonly access: AccessToken;
  /** From then on a successor is fetched, while this one is still good; Infinity: its end is not known. */
  readonly aheadMs: number;
  readonly endMs: number;
  /** When it came out of an exchange of ours; -Infinity: it came with the account. */
  readonly exchangedMs: number;
}

/** Earlier than the end by 5 to 10 % of the life left, so that tokens that came together do not go together. */
const AHEAD_SHARE = 0.05;
const MIN_AHEAD_MS = 5 * 60_000;
/** A token that ends while its turn is still being prepared has ended. */
const MARGIN_MS = 5_000;
const MARGIN_SHARE = 0.02;

/** @param random a number in [0, 1) */
export function holdToken(
  access: AccessToken,
  nowMs: number,
  random: number,
  exchangedMs: number,
): HeldToken {
  const { expiresMs } = access;
  if (expiresMs === null) return { access, aheadMs: Infinity, endMs: Infinity, exchangedMs };
  const lifeMs = Math.max(0, expiresMs - nowMs);
  const wantedMs = Math.max(MIN_AHEAD_MS, lifeMs * AHEAD_SHARE) * (1 + random);
  return {
    access,
    // Short lives are used to their half at least, or each use would mean an exchange.
    aheadMs: expiresMs - Math.min(lifeMs / 2, wantedMs),
    endMs: expiresMs - Math.min(MARGIN_MS, lifeMs * MARGIN_SHARE),
    exchangedMs,
  };
}

/** Is `access` to be preferred to what is held? */
export function isNewer(access: AccessToken, held: HeldToken | null): boolean {
  if (held === null) return true;
  return access.token !== held.access.token && (access.expiresMs ?? 0) > (held.access.expiresMs ?? 0);
}
