import { ChatError } from '../errors.ts';
import { MinuteWindow } from './minute-window.ts';
import type { KeyLimits } from './records.ts';

/** What a key has done since the start. */
export interface KeyUse {
  readonly inFlight: number;
  /** Let in. */
  readonly requests: number;
  /** By a limit of the key's own. */
  readonly refused: number;
}

interface Gate {
  limits: KeyLimits;
  readonly window: MinuteWindow;
  inFlight: number;
  requests: number;
  refused: number;
}

const UNUSED: KeyUse = { inFlight: 0, requests: 0, refused: 0 };
/** Nobody knows when one of the key's streams ends. */
const STREAM_RETRY_S = 1;

/**
 * The operator's limits for each key. Only keys that were set are counted, so that the memory goes with
 * the number of keys, not with what clients send.
 */
export class KeyGates {
  readonly #gates = new Map<string, Gate>();
  readonly #elapsedMs: () => number;

  /** @param elapsedMs at least 0, never goes back */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** A new key, or new limits for one: what it has done is not forgotten. */
  set(keyId: string, limits: KeyLimits): void {
    const gate = this.#gates.get(keyId);
    if (gate !== undefined) gate.limits = limits;
    else this.#gates.set(keyId, { limits, window: new MinuteWindow(), ...UNUSED });
  }

  remove(keyId: string): void {
    this.#gates.delete(keyId);
  }

  use(keyId: string): KeyUse {
    const { inFlight, requests, refused } = this.#gates.get(keyId) ?? UNUSED;
    return { inFlight, requests, refused };
  }

  /**
   * Lets a request in; the returned function, idempotent, says that it is over.
   * Throws `key_limit_exceeded`.
   */
  enter(keyId: string): () => void {
    const gate = this.#gates.get(keyId);
    if (gate === undefined) return () => {};
    const elapsedMs = this.#elapsedMs();
    const refusal = refusalOf(gate, elapsedMs);
    if (refusal !== null) {
      gate.refused += 1;
      throw refusal;
    }
    gate.window.add(elapsedMs);
    gate.requests += 1;
    gate.inFlight += 1;
    let isOver = false;
    return () => {
      if (!isOver) gate.inFlight -= 1;
      isOver = true;
    };
  }
}

function refusalOf({ limits, window, inFlight }: Gate, elapsedMs: number): ChatError | null {
  const { requestsPerMinute, concurrentStreams } = limits;
  if (concurrentStreams !== null && inFlight >= concurrentStreams) {
    return refused(`${concurrentStreams} requests at once`, STREAM_RETRY_S);
  }
  if (requestsPerMinute !== null && window.count(elapsedMs) >= requestsPerMinute) {
    return refused(
      `${requestsPerMinute} requests per minute`,
      window.waitMs(requestsPerMinute, elapsedMs) / 1000,
    );
  }
  return null;
}

function refused(limit: string, waitS: number): ChatError {
  const retryAfterS = Math.max(1, Math.ceil(waitS));
  return new ChatError(
    'key_limit_exceeded',
    `Your key may make ${limit} to this proxy: a limit set by the proxy's operator, not by the backend. Try again in ${retryAfterS} s.`,
    { retryAfterS },
  );
}
