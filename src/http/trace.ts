import type { Trace } from '../chat/ports.ts';

/** The record of a turn that begins now. */
export function newTrace(): Trace {
  return {
    startedAt: Date.now(),
    attempts: 0,
    leasedMs: null,
    clearedMs: null,
    openedMs: null,
    firstTextMs: null,
  };
}
