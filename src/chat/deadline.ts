import { ChatError } from '../errors.ts';
import type { ErrorDetails } from '../errors.ts';

/** The time limits of one turn, in ms; each is a setting of its own. */
export interface Deadlines {
  readonly firstTokenMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

/** A restartable timer. `stop` for good; `touch` starts the wait anew, `restart` another one. */
export class Deadline {
  readonly #onExpire: () => void;
  #ms: number;
  #timer: NodeJS.Timeout;

  constructor(ms: number, onExpire: () => void) {
    this.#onExpire = onExpire;
    this.#ms = ms;
    this.#timer = setTimeout(onExpire, ms);
  }

  /** Mostly a wait as long as the one before, which costs a third of a timer of its own. */
  restart(ms: number): void {
    if (ms === this.#ms) return this.touch();
    this.stop();
    this.#ms = ms;
    this.#timer = setTimeout(this.#onExpire, ms);
  }

  touch(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** The error of a deadline that passed; `setting` names the one to raise. */
export function deadlinePassed(
  setting: string,
  ms: number,
  what: string,
  details: ErrorDetails = {},
): ChatError {
  return new ChatError(
    'upstream_timeout',
    `${what} within ${ms} ms (${setting}). Try again, or raise the setting.`,
    details,
  );
}

/** Waits `ms`; rejects with the signal's reason as soon as it aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
