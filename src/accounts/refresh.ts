import { createHash } from 'node:crypto';
import { ChatError } from '../errors.ts';
import { orAborted } from '../or-aborted.ts';
import { headerText } from '../outbound/exchange.ts';
import type { Answer, Exchange } from '../outbound/exchange.ts';
import { DIRECT } from '../outbound/exits.ts';
import { readJwt } from './jwt.ts';
import type { AccessToken } from './records.ts';

export interface RefreshOptions {
  readonly exchange: Exchange;
  /** OAUTH_TOKEN_URL. */
  readonly url: string;
  readonly userAgent: string;
  /** The way out for the next exchange. */
  readonly exit: () => string;
  /** Of the wall clock: tokens end by it. */
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly timeoutMs?: number;
  /** Refresh tokens of which is remembered what became of them; the least recently used go first. */
  readonly maxGrants?: number;
}

export interface Refreshed extends AccessToken {
  /** The refresh token from now on, where it is another one than was given in. */
  readonly refreshToken: string | null;
}

/**
 * Exchanges a refresh token. However many ask for the same one at the same time, one exchange is
 * made, and it is never broken off: the answer may hold the only copy of the next refresh token. A
 * token that was replaced stands for the one that replaced it.
 *
 * Rejects with the signal's reason, or with a ChatError: `account_unauthorized` when the grant was
 * refused; anything else is no fault of the account's and passes. For a while after a failure, longer
 * with each one in a row, the same is said again without asking.
 */
export type Refresh = (refreshToken: string, signal: AbortSignal) => Promise<Refreshed>;

interface Renewed extends AccessToken {
  /** The refresh token from now on, be it the same. */
  readonly refreshToken: string;
}

/** What was learned of one refresh token. */
interface Grant {
  /** What it was replaced by; null: it is good as it is. */
  readonly successor: string | null;
  readonly failures: number;
  /** Null: the last exchange went well. */
  readonly failure: ChatError | null;
  /** Until then nobody asks again. */
  readonly untilMs: number;
}

const UNTRIED: Grant = { successor: null, failures: 0, failure: null, untilMs: 0 };

const TIMEOUT_MS = 15_000;
const MAX_GRANTS = 20_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** The service's own wish to be left alone is honoured up to here. */
const MAX_ASKED_PAUSE_MS = 600_000;
/** A refused grant stays refused, but an operator who tries again wants to know. */
const REFUSED_PAUSE_MS = 30_000;

/** Of the service's mobile app; public, no secret. */
const CLIENT_ID = 'pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh';
const REDIRECT_URI = 'com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback';

export function createRefresh(options: RefreshOptions): Refresh {
  const { nowMs, random, maxGrants = MAX_GRANTS } = options;
  const running = new Map<string, Promise<Renewed>>();
  /** By the hash of the refresh token. */
  const grants = new Map<string, Grant>();

  function learn(refreshToken: string, grant: Grant): void {
    const key = hash(refreshToken);
    grants.delete(key);
    grants.set(key, grant);
    for (const oldest of grants.keys()) {
      if (grants.size <= maxGrants) return;
      grants.delete(oldest);
    }
  }

  /** The end of the chain of replacements, of which only the way from its beginning is kept. */
  function latest(refreshToken: string): string {
    let token = refreshToken;
    for (;;) {
      const successor = grants.get(hash(token))?.successor ?? null;
      if (successor === null) break;
      token = successor;
    }
    if (token !== refreshToken) learn(refreshToken, { ...UNTRIED, successor: token });
    return token;
  }

  async function run(refreshToken: string): Promise<Renewed> {
    try {
      const renewed = await exchangeOnce(options, refreshToken);
      learn(refreshToken, { ...UNTRIED, successor: renewed.refreshToken });
      // Also ends the chain where a service goes back to a token that it had replaced.
      learn(renewed.refreshToken, UNTRIED);
      return renewed;
    } catch (thrown) {
      const failure = toFailure(thrown);
      const failures = (grants.get(hash(refreshToken))?.failures ?? 0) + 1;
      const untilMs = nowMs() + pauseMs(failure, failures, random());
      learn(refreshToken, { successor: null, failures, failure, untilMs });
      throw failure;
    }
  }

  function join(refreshToken: string): Promise<Renewed> {
    const joined = running.get(refreshToken);
    if (joined !== undefined) return joined;
    const grant = grants.get(hash(refreshToken));
    if (grant !== undefined && grant.failure !== null && nowMs() < grant.untilMs)
      return Promise.reject(again(grant.failure, grant.untilMs - nowMs()));
    const started = run(refreshToken).finally(() => running.delete(refreshToken));
    running.set(refreshToken, started);
    // Its starters may all have left when it fails.
    started.catch(() => undefined);
    return started;
  }

  return async (refreshToken, signal) => {
    signal.throwIfAborted();
    const renewed = await orAborted(join(latest(refreshToken)), signal);
    return renewed.refreshToken === refreshToken ? { ...renewed, refreshToken: null } : renewed;
  };
}

async function exchangeOnce(options: RefreshOptions, refreshToken: string): Promise<Renewed> {
  const { exchange, exit: pickExit, userAgent, nowMs, timeoutMs = TIMEOUT_MS } = options;
  const { origin, pathname, search } = new URL(options.url);
  const exit = pickExit();
  const headers = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'content-type': 'application/json',
    'user-agent': userAgent,
  };
  const body = JSON.stringify({
    client_id: CLIENT_ID,
    grant_type: 'refresh_token',
    redirect_uri: REDIRECT_URI,
    refresh_token: refreshToken,
  });
  const step = 'the exchange of a refresh token';
  const path = pathname + search;
  const answer = await exchange(
    { exit, origin, method: 'POST', path, headers, body, timeoutMs, step },
    new AbortController().signal,
  ).catch((thrown: unknown) => {
    throw unreachable(thrown, exit);
  });
  const { access, next } = parseGranted(answer, nowMs());
  return { ...access, refreshToken: next ?? refreshToken };
}

const TOKEN = /^[\x21-\x7e]{1,16384}$/;
/** The answer's own words for a grant that is no more. */
const REFUSED = /^(?:invalid_grant|access_denied|refresh_token_\w+)$/;
/** It is us who are refused, not the account. */
const CLIENT_REFUSED = /client/;

interface Granted {
  readonly access: AccessToken;
  readonly next: string | null;
}

function parseGranted(answer: Answer, nowMs: number): Granted {
  const { status, text } = answer;
  const json = parseObject(text);
  if (status !== 200) throw toRefusal(answer, json);
  const token = json?.['access_token'];
  if (typeof token !== 'string' || !TOKEN.test(token)) {
    throw new ChatError('upstream_protocol_error', `${SERVICE} answered without an access token. Try again.`);
  }
  const next = json?.['refresh_token'];
  return {
    access: { token, expiresMs: readJwt(token)?.expiresMs ?? endOf(json?.['expires_in'], nowMs) },
    next: typeof next === 'string' && TOKEN.test(next) ? next : null,
  };
}

function endOf(expiresIn: unknown, nowMs: number): number | null {
  const seconds = typeof expiresIn === 'string' ? Number(expiresIn) : expiresIn;
  return typeof seconds === 'number' && seconds > 0 && seconds < 1e10 ? nowMs + seconds * 1000 : null;
}

const SERVICE = 'The sign-in service (OAUTH_TOKEN_URL)';

function toRefusal(answer: Answer, json: Readonly<Record<string, unknown>> | null): ChatError {
  const { status, contentType, text, headers } = answer;
  const code = codeOf(json?.['error']);
  const isDenial = status === 400 || status === 401 || status === 403;
  // Who says 401 in JSON without a reason speaks of the token, as long as it is not of us.
  const isBare = status === 401 && json !== null && !CLIENT_REFUSED.test(code);
  if (isDenial && (REFUSED.test(code) || isBare)) return grantRefused();
  if (contentType.includes('html') && (status === 403 || /cf[-_]/.test(text)))
    return new ChatError('upstream_challenge', `${SERVICE} wants a browser's challenge solved (${status}).`);
  const waitS = Number.parseInt(headerText(headers, 'retry-after'), 10);
  return new ChatError(
    'upstream_error',
    `${SERVICE} failed with ${status}. Try again.`,
    waitS > 0 ? { retryAfterS: waitS } : {},
  );
}

/** Of `"error": "code"` and `"error": {"code": "code"}`; empty when there is none. */
function codeOf(error: unknown): string {
  const code =
    typeof error === 'object' && error !== null ? (error as Record<string, unknown>)['code'] : error;
  return typeof code === 'string' ? code : '';
}

function grantRefused(): ChatError {
  return new ChatError(
    'account_unauthorized',
    'Grant refused: the sign-in service does not accept the refresh token of this account any more. Sign in again for a new one.',
    { retryable: false },
  );
}

/** A failure on the way there, which speaks of the backend, in words that speak of the service. */
function unreachable(thrown: unknown, exit: string): ChatError {
  const code = thrown instanceof ChatError ? thrown.code : 'upstream_unreachable';
  const through = exit === DIRECT ? '' : ` through ${exit}`;
  switch (code) {
    case 'shutting_down':
      return new ChatError(code, 'The proxy is shutting down.');
    case 'upstream_timeout':
      return new ChatError(code, `${SERVICE} did not answer in time${through}. Try again.`, {
        cause: thrown,
        retryable: true,
      });
    case 'upstream_protocol_error':
      return new ChatError(code, `${SERVICE} broke off or garbled its answer${through}. Try again.`, {
        cause: thrown,
      });
    default:
      return new ChatError('upstream_unreachable', `${SERVICE} could not be reached${through}. Try again.`, {
        cause: thrown,
      });
  }
}

function toFailure(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  return new ChatError('upstream_protocol_error', `${SERVICE} could not be asked.`, { cause: thrown });
}

function pauseMs(failure: ChatError, failures: number, random: number): number {
  if (failure.code === 'account_unauthorized') return REFUSED_PAUSE_MS;
  const ceiling = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30));
  const askedMs = Math.min(MAX_ASKED_PAUSE_MS, (failure.retryAfterS ?? 0) * 1000);
  return Math.max(askedMs, ceiling * (0.5 + random / 2));
}

function again(failure: ChatError, waitMs: number): ChatError {
  const { code, message, retryable, cause } = failure;
  const wait = code === 'account_unauthorized' ? {} : { retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)) };
  return new ChatError(code, message, { ...wait, retryable, cause });
}

function hash(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
