import { createHash } from 'node:crypto';
import type { Caller, Identity } from '../conversation/turn.ts';

/** Tells identities apart without naming them: the token and the workspace, hashed. All visitors are one. */
export function fingerprint({ token, accountId }: Identity): string {
  if (token === null) return 'visitor';
  return createHash('sha256')
    .update(`${token}\n${accountId ?? ''}`)
    .digest('base64url');
}

/** The same for who asks us; contains no space. A refreshed token does not change who somebody is. */
export function callerFingerprint(caller: Caller): string {
  switch (caller.kind) {
    case 'visitor':
      return 'visitor';
    case 'own':
      return fingerprint(caller.credential);
    case 'key':
      return `key:${fingerprint({ token: caller.keyId, accountId: caller.accountId })}`;
    default:
      return caller satisfies never;
  }
}
