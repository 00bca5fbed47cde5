import { createHash } from 'node:crypto';
import { ChatError, toChatError } from '../errors.ts';
import type { Credential } from '../conversation/turn.ts';
import { orAborted } from '../or-aborted.ts';
import { holdToken, isNewer } from './held-token.ts';
import type { HeldToken } from './held-token.ts';
import { readJwt } from './jwt.ts';
import { RecentTokens } from './recent-tokens.ts';
import type { AccessToken, TokenOwner } from './records.ts';
import type { Refresh } from './refresh.ts';

/** What an exchange brought, to be kept with the account. */
export interface Renewal {
  readonly access: AccessToken;
  /** Replaces the credential's token; null: that one stays good. */
  readonly refreshToken: string | null;
  /** As the access token tells it; null: it does not. */
  readonly plan: string | null;
}

export interface AccessTokensOptions {
  readonly refresh: Refresh;
  /** Of the wall clock: tokens end by it. */
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Called for accounts of the pool, once per exchange, whether or not anybody still waits for it. */
  readonly onRefreshed: (id: string, renewal: Renewal) => void;
  /** The same for what came to nothing, be it told again without another exchange. */
  readonly onFailed: (id: string, failure: ChatError) => void;
  /** Callers with refresh tokens of their own that are remembered. */
  readonly maxCallers?: number;
}

/** Which access token a credential uses now. All reject with a ChatError, or with the signal's reason at once. */
export interface AccessTokens {
  /** For an account of the pool. An access credential that has ended is `account_unauthorized` without asking. */
  tokenFor(owner: TokenOwner, signal: AbortSignal): Promise<string>;
  /** For a caller's own credential. An access token is used as it is: the backend says what it thinks of it. */
  ownTokenFor(credential: Credential, signal: AbortSignal): Promise<string>;
  /** The backend took this access token of a refresh credential: when it is refused one day, the next will do. */
  accepted(token: string): void;
  /** The backend answered 401 to this access token: where another can be had it is not used again. */
  refused(token: string): void;
  /** Exchanges now, however good the token at hand; joins an exchange that runs. For refresh credentials only. */
  refreshNow(owner: TokenOwner, signal: AbortSignal): Promise<Renewal>;
  /** When the account's token is to be exchanged: Infinity never, -Infinity at once. */
  dueMs(owner: TokenOwner): number;
  /** The account is gone. */
  forget(id: string): void;
}

/** What is known of one refresh credential. */
interface Entry {
  /** The account; null: a caller's own. */
  readonly id: string | null;
  held: HeldToken | null;
  /** The access token that came with the account last: looked at once, as what replaced it may end earlier. */
  given: string | null;
  /** Told to all who want a new token meanwhile. */
  pending: Promise<Renewal> | null;
  /** No exchange ahead of need before then: the last one failed. */
  restMs: number;
  usedMs: number;
}

const MAX_CALLERS = 10_000;
const CALLER_IDLE_MS = 3_600_000;
const MAX_TOKENS = 10_000;
/** When a token never served and is refused so soon after its exchange, the next would fare no better. */
const REFUSED_PAUSE_MS = 10_000;
const REST_MS = 30_000;

export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { refresh, nowMs, random, onRefreshed, onFailed, maxCallers = MAX_CALLERS } = options;
  const accounts = new Map<string, Entry>();
  /** By hash of the refresh token, the least recently used first. */
  const callers = new Map<string, Entry>();
  const acceptedTokens = new RecentTokens(MAX_TOKENS);
  const refusedTokens = new RecentTokens(MAX_TOKENS);

  function accountEntry({ id, access }: TokenOwner): Entry {
    const entry = accounts.get(id) ?? createEntry(id);
    accounts.set(id, entry);
    if (access === null || access.token === entry.given) return entry;
    entry.given = access.token;
    if (isNewer(access, entry.held)) entry.held = holdToken(access, nowMs(), random(), -Infinity);
    return entry;
  }

  function callerEntry(refreshToken: string): Entry {
    forgetCallers(nowMs() - CALLER_IDLE_MS);
    const key = createHash('sha256').update(refreshToken).digest('base64url');
    const entry = callers.get(key) ?? createEntry(null);
    entry.usedMs = nowMs();
    callers.delete(key);
    callers.set(key, entry);
    return entry;
  }

  function forgetCallers(idleSinceMs: number): void {
    for (const [key, { usedMs }] of callers) {
      if (callers.size <= maxCallers && usedMs > idleSinceMs) return;
      callers.delete(key);
    }
  }

  async function current(entry: Entry, refreshToken: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const { held } = entry;
    if (held !== null && isGood(held)) {
      if (nowMs() >= Math.max(held.aheadMs, entry.restMs)) void renew(entry, refreshToken);
      return held.access.token;
    }
    if (held !== null && isHopeless(held)) throw refusedAgain();
    const { access } = await orAborted(renew(entry, refreshToken), signal);
    if (refusedTokens.has(access.token)) throw refusedAgain();
    return access.token;
  }

  function isGood({ access, endMs }: HeldToken): boolean {
    return nowMs() < endMs && !refusedTokens.has(access.token);
  }

  function isHopeless({ access: { token }, exchangedMs }: HeldToken): boolean {
    if (!refusedTokens.has(token) || acceptedTokens.has(token)) return false;
    return nowMs() - exchangedMs < REFUSED_PAUSE_MS;
  }

  function renew(entry: Entry, refreshToken: string): Promise<Renewal> {
    if (entry.pending !== null) return entry.pending;
    const pending = exchange(entry, refreshToken).finally(() => (entry.pending = null));
    pending.catch(() => undefined);
    entry.pending = pending;
    return pending;
  }

  async function exchange(entry: Entry, refreshToken: string): Promise<Renewal> {
    try {
      // Nobody's alone: it goes on when all who asked have left.
      const { signal } = new AbortController();
      const { refreshToken: next, token, expiresMs } = await refresh(refreshToken, signal);
      const access = { token, expiresMs };
      entry.held = holdToken(access, nowMs(), random(), nowMs());
      const renewal = { access, refreshToken: next, plan: readJwt(token)?.plan ?? null };
      if (entry.id !== null) onRefreshed(entry.id, renewal);
      return renewal;
    } catch (thrown) {
      entry.restMs = nowMs() + REST_MS * (0.5 + random());
      if (entry.id !== null) onFailed(entry.id, toChatError(thrown));
      throw thrown;
    }
  }

  return {
    async tokenFor(owner, signal) {
      const { kind, token } = owner.credential;
      if (kind === 'refresh') return current(accountEntry(owner), token, signal);
      if (hasEnded(token, nowMs())) throw ended();
      return token;
    },
    async ownTokenFor({ kind, token }, signal) {
      return kind === 'refresh' ? current(callerEntry(token), token, signal) : token;
    },
    accepted: (token) => acceptedTokens.add(token),
    refused: (token) => refusedTokens.add(token),
    async refreshNow(owner, signal) {
      return orAborted(renew(accountEntry(owner), owner.credential.token), signal);
    },
    dueMs(owner) {
      if (owner.credential.kind === 'access') return Infinity;
      const { held } = accountEntry(owner);
      return held === null || refusedTokens.has(held.access.token) ? -Infinity : held.aheadMs;
    },
    forget: (id) => void accounts.delete(id),
  };
}

function createEntry(id: string | null): Entry {
  return { id, held: null, given: null, pending: null, restMs: -Infinity, usedMs: 0 };
}

function hasEnded(accessToken: string, nowMs: number): boolean {
  return nowMs >= (readJwt(accessToken)?.expiresMs ?? Infinity);
}

function ended(): ChatError {
  return new ChatError(
    'account_unauthorized',
    "The account's access token has expired; sign in again for a new one.",
  );
}

function refusedAgain(): ChatError {
  return new ChatError(
    'account_unauthorized',
    'The backend refuses also the access token that the account has just been given. Sign in again, or look at the account on the site.',
  );
}
