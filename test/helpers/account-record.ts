import type { AccountRecord } from '../../src/accounts/records.ts';

/** An account with nothing special about it. */
export function accountRecord(id: string, overrides: Partial<AccountRecord> = {}): AccountRecord {
  return {
    id,
    credential: { kind: 'access', token: `token-${id}`, accountId: null },
    addedMs: 1,
    access: null,
    standing: { kind: 'good' },
    plan: null,
    limits: [],
    concurrency: null,
    ...overrides,
  };
}

/** One that signs in with a refresh token, and has exchanged it. */
export function refreshRecord(
  id: string,
  access: string | null,
  expiresMs: number | null = null,
): AccountRecord {
  return accountRecord(id, {
    credential: { kind: 'refresh', token: `refresh-${id}`, accountId: null },
    access: access === null ? null : { token: access, expiresMs },
  });
}
