import type { Session } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import { headerText } from '../outbound/exchange.ts';
import type { Answer, Exchange } from '../outbound/exchange.ts';
import { baseHeaders, basePath } from '../upstream/headers.ts';
import type { ClientProfile } from '../upstream/headers.ts';
import { toRefusal } from '../upstream/protocol/refusal.ts';
import { isDifficulty } from './proof.ts';

/** What the backend wants before it takes a turn. Turnstile is left out: nobody here can answer it. */
export interface Requirements {
  /** What the backend takes the caller for; null: it does not say. */
  readonly persona: string | null;
  readonly token: string;
  readonly proof: { readonly seed: string; readonly difficulty: string } | null;
  readonly arkose: { readonly blob: string | null } | null;
  /** For how long the token is good from now on. */
  readonly lifetimeMs: number;
}

export interface RequirementsOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  readonly timeoutMs: number;
  /** Wall clock. */
  readonly nowMs: () => number;
}

/** What the backend was seen to give visitors; for where it does not say. */
const USUAL_LIFETIME_S = 540;

type Fields = Readonly<Record<string, unknown>>;

/** What an HTTP header can carry of such a token. */
const HEADER_TEXT = /^[\x21-\x7e]+$/;

/** Asks for the challenges of one turn. `p` is the requirements token made by us. */
export async function fetchRequirements(
  { exchange, profile, timeoutMs, nowMs }: RequirementsOptions,
  session: Session,
  p: string,
  signal: AbortSignal,
): Promise<Requirements> {
  const request = {
    exit: session.exit,
    origin: session.origin,
    method: 'POST',
    path: `${basePath(session)}/sentinel/chat-requirements`,
    headers: baseHeaders(session, profile),
    // Base64 needs no escaping.
    body: `{"p":"${p}"}`,
    // A second answer is another challenge, no more.
    repeatable: true,
    timeoutMs,
    step: 'the requirements of the backend (sentinel/chat-requirements)',
  } as const;
  const answer = await exchange(request, signal);
  const anonymous = session.identity.token === null;
  const fields = answer.status === 200 ? parseFields(answer.text) : null;
  if (fields === null) throw refusalOf(answer, anonymous);
  return toRequirements(fields, anonymous, nowMs());
}

function refusalOf(answer: Answer, anonymous: boolean): ChatError {
  const refusal = toRefusal({
    status: answer.status,
    contentType: answer.contentType,
    body: answer.text,
    retryAfter: headerText(answer.headers, 'retry-after'),
    anonymous,
    at: 'requirements',
    model: null,
  });
  const isChallenge = refusal.code === 'upstream_challenge';
  return answer.status === 200 && !isChallenge ? broken('is no JSON object') : refusal;
}

function toRequirements(fields: Fields, anonymous: boolean, nowMs: number): Requirements {
  if (anonymous && fields['force_login'] === true) {
    throw new ChatError(
      'anonymous_unavailable',
      'The backend wants visitors from this address to sign in. Send an access token as the API key.',
    );
  }
  const token = fields['token'];
  if (typeof token !== 'string' || !HEADER_TEXT.test(token)) throw broken('has no usable token');
  const persona = typeof fields['persona'] === 'string' ? fields['persona'] : null;
  return {
    persona,
    token,
    proof: toProof(block(fields, 'proofofwork')),
    arkose: toArkose(block(fields, 'arkose')),
    lifetimeMs: toLifetimeMs(fields, nowMs),
  };
}

/** `expire_after` is free of what the clocks differ by; `expire_at` is not. Both in seconds. */
function toLifetimeMs({ expire_after: after, expire_at: at }: Fields, nowMs: number): number {
  if (isTime(after)) return after * 1000;
  if (isTime(at)) return Math.max(0, at * 1000 - nowMs);
  return USUAL_LIFETIME_S * 1000;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}

function toProof(proof: Fields): Requirements['proof'] {
  if (proof['required'] !== true) return null;
  const { seed, difficulty } = proof;
  if (typeof seed !== 'string' || typeof difficulty !== 'string' || !isDifficulty(difficulty)) {
    throw broken('asks for a proof of work without a usable seed and difficulty');
  }
  return { seed, difficulty: difficulty.toLowerCase() };
}

function toArkose(arkose: Fields): Requirements['arkose'] {
  if (arkose['required'] !== true) return null;
  return { blob: typeof arkose['dx'] === 'string' ? arkose['dx'] : null };
}

function block(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isFields(value) ? value : {};
}

function parseFields(text: string): Fields | null {
  try {
    const json: unknown = JSON.parse(text);
    return isFields(json) ? json : null;
  } catch {
    return null;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function broken(how: string): ChatError {
  return new ChatError('upstream_protocol_error', `The backend's answer about its requirements ${how}.`);
}
