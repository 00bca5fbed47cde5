import { createHash } from 'node:crypto';
import type { AccountRecord, KeyRecord } from '../../src/accounts/records.ts';

/** Stands in each token, so that a token can be found in the bytes of a file. */
export const CANARY = 'canary';

/** The account of that number, as it is in its `version`. Of the size that real ones have. */
export function account(number: number, version = 0): AccountRecord {
  const token = `eyJhbGciOi${CANARY}${number}-${version}-`.padEnd(1_500 + ((number * 37) % 900), 'x');
  return {
    id: createHash('sha256').update(String(number)).digest('hex').slice(0, 12),
    credential: { kind: 'refresh', token: `${CANARY}${number}`.padEnd(45, 'r'), accountId: null },
    addedMs: 1_700_000_000_000 + number,
    access: { token, expiresMs: 1_800_000_000_000 + version },
    standing: { kind: 'quarantined', reason: `Wörtlich "so" ${version} 🙂`, sinceMs: 1 },
    plan: 'plus',
    limits: [{ model: 'gpt-4o', untilMs: 2, reason: 'cap' }],
    concurrency: null,
  };
}

export function accounts(count: number, version = 0): AccountRecord[] {
  return Array.from({ length: count }, (_, number) => account(number, version));
}

export function key(number: number): KeyRecord {
  const sha256 = createHash('sha256').update(`key ${number}`).digest('hex');
  const limits = { requestsPerMinute: 60, concurrentStreams: null };
  return { id: sha256.slice(0, 12), sha256, name: `team ${number}`, addedMs: number, limits };
}
