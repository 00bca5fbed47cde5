import { toChatError } from '../errors.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { TokenOwner } from './records.ts';

export interface RefreshScheduleOptions {
  /** The pool's accounts with refresh credentials that may be used. */
  readonly owners: () => Iterable<TokenOwner>;
  readonly tokens: Pick<AccessTokens, 'dueMs' | 'refreshNow'>;
  /** Of the wall clock: tokens end by it. */
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Between two exchanges, on average. */
  readonly spacingMs?: number;
  /** Between two looks at accounts of which none was due. */
  readonly pollMs?: number;
}

/** Exchanges tokens ahead of their end, so that no request waits for it. */
export interface RefreshSchedule {
  /** Ends an exchange's wait, not the exchange. Idempotent. */
  close(): void;
}

const SPACING_MS = 1_000;
const POLL_MS = 60_000;
const FIRST_REST_MS = 60_000;
const MAX_REST_MS = 6 * 3_600_000;
/** When nothing succeeds it is not the accounts. */
const MAX_SPACING_MS = 5 * 60_000;

interface Rest {
  readonly failures: number;
  readonly untilMs: number;
}

/**
 * One exchange after another, the token that ends first before the others, with a pause between them:
 * ten thousand accounts that are due at once take their time, and the service that serves them its own.
 */
export function createRefreshSchedule(options: RefreshScheduleOptions): RefreshSchedule {
  const { owners, tokens, nowMs, random, spacingMs = SPACING_MS, pollMs = POLL_MS } = options;
  const closing = new AbortController();
  /** Of accounts whose exchange failed, until one succeeds. */
  let rests = new Map<string, Rest>();
  /** Ids in the order of their turn. */
  let queue: string[] = [];
  let failuresInRow = 0;
  let timer: NodeJS.Timeout | null = null;

  function wake(afterMs: number): void {
    if (closing.signal.aborted) return;
    timer = setTimeout(() => void step(), afterMs * (0.5 + random()));
    timer.unref();
  }

  async function step(): Promise<void> {
    if (queue.length === 0) queue = findDue();
    const id = queue.shift();
    if (id === undefined) return wake(pollMs);
    const owner = find(id);
    if (owner === null || !isDue(owner)) return wake(0);
    await refresh(owner);
    wake(Math.min(MAX_SPACING_MS, spacingMs * 2 ** Math.min(failuresInRow, 30)));
  }

  function findDue(): string[] {
    const all = [...owners()];
    const ids = new Set(all.map(({ id }) => id));
    rests = new Map([...rests].filter(([id]) => ids.has(id)));
    return all
      .filter(isDue)
      .map((owner) => ({ id: owner.id, dueMs: tokens.dueMs(owner) }))
      .sort((one, other) => (one.dueMs < other.dueMs ? -1 : one.dueMs > other.dueMs ? 1 : 0))
      .map(({ id }) => id);
  }

  function find(id: string): TokenOwner | null {
    for (const owner of owners()) if (owner.id === id) return owner;
    return null;
  }

  function isDue(owner: TokenOwner): boolean {
    return tokens.dueMs(owner) <= nowMs() && (rests.get(owner.id)?.untilMs ?? 0) <= nowMs();
  }

  async function refresh(owner: TokenOwner): Promise<void> {
    try {
      await tokens.refreshNow(owner, closing.signal);
      rests.delete(owner.id);
      failuresInRow = 0;
    } catch (thrown) {
      const failures = (rests.get(owner.id)?.failures ?? 0) + 1;
      const restMs = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** Math.min(failures - 1, 30));
      rests.set(owner.id, { failures, untilMs: nowMs() + restMs * (0.5 + random() / 2) });
      // A refused grant says that the service is well.
      failuresInRow = toChatError(thrown).code === 'account_unauthorized' ? 0 : failuresInRow + 1;
    }
  }

  wake(spacingMs);
  return {
    close() {
      closing.abort();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
