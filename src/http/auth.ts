import { ChatError } from '../errors.ts';
import type { Caller } from '../conversation/turn.ts';

const ACCESS_TOKEN = /^(?:eyJhbGciOi|fk-)/;
const REFRESH_TOKEN = /^[A-Za-z0-9_-]{45}$/;

/** The keys that the operator issued. They can come and go while we run. */
export interface Keys {
  /** The id of the key that `credential` is; null: it is none. Takes no longer for what is nearly one. */
  find(credential: string): string | null;
  /** No keys at all: whoever shows no upstream token is a visitor. */
  readonly isOpen: boolean;
}

/** What may stand in a header on its way upstream. */
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/**
 * Who asks, from `authorization: Bearer <credential>[,<account id>]` and `chatgpt-account-id`. A key
 * goes before everything else, also one that looks like a token.
 * Throws a ChatError (`invalid_api_key`, or `invalid_value` for the account id) that never repeats a credential.
 */
export function authenticate(
  authorizationHeader: string | undefined,
  accountIdHeader: string | undefined,
  keys: Keys,
): Caller {
  const [token, inlineAccountId] = splitCredential(bearerOf(authorizationHeader));
  const accountId = checkAccountId(inlineAccountId || accountIdHeader?.trim() || null);
  const keyId = token === '' ? null : keys.find(token);
  if (keyId !== null) return { kind: 'key', keyId, accountId };
  if (ACCESS_TOKEN.test(token))
    return { kind: 'own', credential: { kind: 'access', token: checkToken(token), accountId } };
  if (REFRESH_TOKEN.test(token)) return { kind: 'own', credential: { kind: 'refresh', token, accountId } };
  if (keys.isOpen) return { kind: 'visitor' };
  throw invalidKey(token === '' ? KEY_MISSING : KEY_UNKNOWN);
}

function bearerOf(header: string | undefined): string {
  return /^bearer[ \t]+(.*)$/i.exec(header?.trim() ?? '')?.[1]?.trim() ?? '';
}

function splitCredential(credential: string): [token: string, accountId: string] {
  const comma = credential.indexOf(',');
  if (comma === -1) return [credential, ''];
  return [credential.slice(0, comma).trim(), credential.slice(comma + 1).trim()];
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
  "You didn't provide an API key. Send one that this proxy's operator issued, or an access or refresh token of " +
  'your own ChatGPT account, as "Authorization: Bearer <key>".';

const KEY_UNKNOWN =
  "Incorrect API key provided. Use a key that this proxy's operator issued, or an access or refresh token of your " +
  'own ChatGPT account.';
