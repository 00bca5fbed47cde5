import type { IncomingHttpHeaders } from 'node:http';
import { isObject, type JsonObject } from './json-shape.ts';
import type { RefusalName } from './refusals.ts';
import type { Persona } from './scenario.ts';

export const BASES = ['/backend-anon', '/backend-api'] as const;
export type Base = (typeof BASES)[number];

export type CallerVerdict =
  | { readonly ok: true; readonly persona: Persona }
  | { readonly ok: false; readonly refusal: RefusalName };

/** Who calls, and whose things are his. */
export interface Caller {
  readonly persona: Persona;
  readonly owner: string;
  /** The name of the account, whichever its token and workspace; null: none. */
  readonly account: string | null;
}

const ANONYMOUS = 'anonymous:';
const ACCESS_TOKEN = /^Bearer (eyJhbGciOi\S*)$/;

/**
 * Who calls, by base path and token. Anonymous paths ignore Authorization. An account whose name contains
 * `expired`, `deactivated` or `free` plays that part; a real JWT is held to its `exp`.
 */
export function identifyCaller(base: Base, authorization: string, nowMs: number): CallerVerdict {
  if (base === '/backend-anon') return { ok: true, persona: 'chatgpt-noauth' };
  if (authorization === '') return { ok: false, refusal: 'unauthorized' };
  const token = ACCESS_TOKEN.exec(authorization)?.[1];
  if (token === undefined) return { ok: false, refusal: 'invalid_jwt' };
  const name = nameOf(token);
  if (name.includes('deactivated')) return { ok: false, refusal: 'account_deactivated' };
  if (name.includes('expired') || isPast(token, nowMs)) return { ok: false, refusal: 'token_expired' };
  return { ok: true, persona: name.includes('free') ? 'chatgpt-freeaccount' : 'chatgpt-paid' };
}

/**
 * The name under which a caller's things are kept: that of an account within its workspace,
 * which outlives its tokens, or of an anonymous browser.
 */
export function ownerOf(base: Base, headers: IncomingHttpHeaders): string {
  if (base === '/backend-anon') return `${ANONYMOUS}${String(headers['oai-device-id'])}`;
  const account = accountOf(headers.authorization ?? '');
  return `account:${account}:${String(headers['chatgpt-account-id'] ?? '')}`;
}

/** The name of the account behind a credential: the subject of a JWT, which outlives it, or the token. */
export function accountOf(authorization: string): string {
  const token = ACCESS_TOKEN.exec(authorization)?.[1] ?? '';
  const subject = readClaims(token)?.['sub'];
  return typeof subject === 'string' ? subject : token;
}

/** Where the words stand that tell an account's part: all of a token that can be read. */
function nameOf(token: string): string {
  const [head = '', , tail = ''] = token.split('.');
  const subject = readClaims(token)?.['sub'];
  return typeof subject === 'string' ? `${head} ${tail} ${subject}` : token;
}

/** Anonymous visitors change their device id from call to call, so to a chat they are all one. */
export function isSameOwner(owner: string, other: string): boolean {
  return owner === other || (owner.startsWith(ANONYMOUS) && other.startsWith(ANONYMOUS));
}

function isPast(token: string, nowMs: number): boolean {
  const expiresAtS = readClaims(token)?.['exp'];
  return typeof expiresAtS === 'number' && expiresAtS * 1000 <= nowMs;
}

/** Null: no JWT. */
function readClaims(token: string): JsonObject | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return isObject(claims) ? claims : null;
  } catch {
    return null;
  }
}
