import { createHash } from 'node:crypto';
import type { Caller } from '../conversation/turn.ts';

/** Tells callers apart without naming them: the token and the workspace, hashed. All visitors are one. */
export function fingerprint({ token, accountId }: Caller): string {
  if (token === null) return 'visitor';
  return createHash('sha256')
    .update(`${token}\n${accountId ?? ''}`)
    .digest('base64url');
}
