import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError } from '../errors.ts';
import type { Caller } from '../conversation/turn.ts';
import { keyIdOf } from '../key-id.ts';

const UPSTREAM_TOKEN = /^(?:eyJhbGciOi|fk-)/;
const REFRESH_TOKEN = /^[A-Za-z0-9_-]{45}$/;

/** What may stand in a header on its way upstream. */
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/**
 * Who asks, from `authorization: Bearer <token>[,<account id>]` and `chatgpt-account-id`.
 * `keys` are the operator's; empty: the door is open, and who shows no upstream token is anonymous.
 * Throws a ChatError (`invalid_api_key`, or `invalid_value` for the account id) that never repeats a credential.
 */
export function authenticate(
  authorizationHeader: string | undefined,
  accountIdHeader: string | undefined,
  keys: readonly string[],
): Caller {
  const [credential, inlineAccountId] = splitCredential(bearerOf(authorizationHeader));
  const accountId = checkAccountId(inlineAccountId || accountIdHeader?.trim() || null);
  if (isListed(credential, keys)) return { kind: 'key', keyId: keyIdOf(credential), accountId };
  if (UPSTREAM_TOKEN.test(credential))
    return { kind: 'own', credential: { kind: 'access', token: checkToken(credential), accountId } };
  if (REFRESH_TOKEN.test(credential)) throw invalidKey(REFRESH_TOKEN_REFUSED);
  if (keys.length === 0) return { kind: 'visitor' };
  throw invalidKey(credential === '' ? KEY_MISSING : KEY_UNKNOWN);
}

function bearerOf(header: string | undefined): string {
  return /^bearer[ \t]+(.*)$/i.exec(header?.trim() ?? '')?.[1]?.trim() ?? '';
}

function splitCredential(credential: string): [token: string, accountId: string] {
  const comma = credential.indexOf(',');
  if (comma === -1) return [credential, ''];
  return [credential.slice(0, comma).trim(), credential.slice(comma + 1).trim()];
}

/** Compares with every key and hashes both sides, so that time tells neither which key nor how much of it fits. */
function isListed(credential: string, keys: readonly string[]): boolean {
  const digest = sha256(credential);
  let listed = false;
  for (const key of keys) listed = timingSafeEqual(digest, sha256(key)) || listed;
  return listed;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function checkToken(token: string): string {
  if (VISIBLE_ASCII.test(token)) return token;
  throw invalidKey('The access token contains characters that no token has. Copy it again.');
}

function checkAccountId(accountId: string | null): string | null {
  if (accountId === null || (VISIBLE_ASCII.test(accountId) && accountId.length <= 128)) return accountId;
  throw new ChatError('invalid_value', 'The account id is not one: expected up to 128 visible characters.', {
    param: 'ChatGPT-Account-ID',
  });
}

function invalidKey(message: string): ChatError {
  return new ChatError('invalid_api_key', message);
}

const KEY_MISSING =
  "You didn't provide an API key. Send one that this proxy's operator issued, or your own ChatGPT access token, " +
  'as "Authorization: Bearer <key>".';

const KEY_UNKNOWN =
  "Incorrect API key provided. Use a key that this proxy's operator issued, or your own ChatGPT access token.";

const REFRESH_TOKEN_REFUSED =
  'The key looks like a refresh token, which is not accepted as a key here. Send an access token ' +
  '(it starts with "eyJhbGciOi") instead.';
