import type { ChatPorts, Session } from '../chat/ports.ts';
import { createClearance } from './clearance.ts';
import type { ClearanceOptions, Clearances } from './clearance.ts';
import { createPresolved } from './presolved.ts';
import { createProofFeedback } from './proof-feedback.ts';
import { createSearchOrder } from './search-order.ts';
import type { Search } from './search-order.ts';

export interface SentinelOptions extends Omit<ClearanceOptions, 'searchOrder'> {
  /** The conversation call, to learn from. */
  readonly converse: ChatPorts['converse'];
  readonly powSearch: Search;
  readonly presolve: number;
  /** A gateway seems to refuse proofs of `tail`; told once for each. */
  readonly onFallback: (origin: string) => void;
}

/** All that stands between a question and the backend's guard. */
export interface Sentinel extends Pick<ChatPorts, 'clear' | 'converse'>, Pick<Clearances, 'openPage'> {
  /** Nothing is to be prepared for this account and way: it rests. */
  forget(session: Session): void;
  /** Clearances that wait for a chat, and those being prepared. */
  readonly presolved: { readonly ready: number; readonly solving: number };
  /** Ends what nobody waits for. */
  close(): void;
}

/** Some 1 KB each. */
const MAX_PRESOLVED = 2_000;
const PRESOLVED_AT_ONCE = 2;
const BUSY_MS = 60_000;

export function createSentinel(options: SentinelOptions): Sentinel {
  const { converse, powSearch, presolve, onFallback } = options;
  const nowMs = (): number => performance.now();
  const searchOrder = createSearchOrder({ preferred: powSearch, nowMs, onFallback });
  const clearances = createClearance({ ...options, searchOrder });
  const presolved = createPresolved({
    clearances,
    perAccount: presolve,
    maxEntries: MAX_PRESOLVED,
    maxAtOnce: PRESOLVED_AT_ONCE,
    busyMs: BUSY_MS,
    nowMs,
  });
  const forget = (session: Session): void => presolved.forget(session);
  return {
    clear: presolved.clear,
    openPage: clearances.openPage,
    converse: createProofFeedback({ converse, searchOrder, onRefused: forget }),
    forget,
    presolved,
    close: () => presolved.close(),
  };
}
