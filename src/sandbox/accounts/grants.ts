import { createHash } from 'node:crypto';
import { wordsOf } from './health.ts';

interface Counts {
  readonly granted: number;
  readonly refused: number;
}

/** Which refresh tokens are good, and for whom. Whoever has one of the right form is somebody. */
export interface Grants {
  /** The account's name; null: the token was replaced. */
  subjectOf(refreshToken: string): string | null;
  /** The successor, which is the account's from now on in place of the token. */
  rotate(refreshToken: string): string;
  count(outcome: keyof Counts): void;
  counts(): Counts;
  clear(): void;
}

export function createGrants(): Grants {
  const spent = new Set<string>();
  /** Of tokens that replaced others. */
  const subjects = new Map<string, string>();
  let tally = { granted: 0, refused: 0 };

  const subjectOf = (refreshToken: string): string => subjects.get(refreshToken) ?? toSubject(refreshToken);
  return {
    subjectOf: (refreshToken) => (spent.has(refreshToken) ? null : subjectOf(refreshToken)),
    rotate(refreshToken) {
      const successor = `r-${digest(refreshToken)}`;
      subjects.set(successor, subjectOf(refreshToken));
      spent.add(refreshToken);
      return successor;
    },
    count(outcome) {
      tally[outcome] += 1;
    },
    counts: () => tally,
    clear() {
      spent.clear();
      subjects.clear();
      tally = { granted: 0, refused: 0 };
    },
  };
}

/** Names the account without showing the token, but for the words that tell its part. */
function toSubject(refreshToken: string): string {
  const id = createHash('sha256').update(refreshToken).digest('hex').slice(0, 16);
  return ['user', id, ...wordsOf(refreshToken)].join('-');
}

/** 43 characters. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
