import { isObject } from './json-shape.ts';
import type { RefusalName } from './refusals.ts';
import type { Persona } from './scenario.ts';

export const BASES = ['/backend-anon', '/backend-api'] as const;
export type Base = (typeof BASES)[number];

export type CallerVerdict =
  | { readonly ok: true; readonly persona: Persona }
  | { readonly ok: false; readonly refusal: RefusalName };

const ACCESS_TOKEN = /^Bearer (eyJhbGciOi\S*)$/;

/**
 * Who calls, by base path and token. Anonymous paths ignore Authorization. A token containing
 * `expired`, `deactivated` or `free` plays that part; a real JWT is held to its `exp`.
 */
export function identifyCaller(base: Base, authorization: string, nowMs: number): CallerVerdict {
  if (base === '/backend-anon') return { ok: true, persona: 'chatgpt-noauth' };
  if (authorization === '') return { ok: false, refusal: 'unauthorized' };
  const token = ACCESS_TOKEN.exec(authorization)?.[1];
  if (token === undefined) return { ok: false, refusal: 'invalid_jwt' };
  if (token.includes('deactivated')) return { ok: false, refusal: 'account_deactivated' };
  if (token.includes('expired') || isPast(token, nowMs)) return { ok: false, refusal: 'token_expired' };
  return { ok: true, persona: token.includes('free') ? 'chatgpt-freeaccount' : 'chatgpt-paid' };
}

function isPast(token: string, nowMs: number): boolean {
  const payload = token.split('.')[1] ?? '';
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return isObject(claims) && typeof claims['exp'] === 'number' && claims['exp'] * 1000 <= nowMs;
  } catch {
    return false;
  }
}
