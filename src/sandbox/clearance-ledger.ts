import type { Base } from './callers.ts';

/** What a conversation must bring, as promised in one requirements answer. */
export interface Clearance {
  readonly token: string;
  readonly base: Base;
  readonly deviceId: string;
  /** Null: no proof of work asked for. */
  readonly proof: { readonly seed: string; readonly difficulty: string } | null;
  /** The exact Arkose text expected; null: none asked for. */
  readonly arkoseToken: string | null;
  /** The Arkose text is expected for models with that in their name only; empty: for all. */
  readonly arkoseModels: string;
  /** The caller was told to sign in: the token opens nothing. */
  readonly loginForced: boolean;
}

export const CLEARANCE_LIFETIME_S = 540;

/** Requirements tokens handed out and not used yet. */
export interface ClearanceLedger {
  issue(clearance: Clearance): void;
  /** The clearance behind a token, once; undefined when unknown, used or expired. */
  redeem(token: string): Clearance | undefined;
  readonly size: number;
}

export function createClearanceLedger(now: () => number): ClearanceLedger {
  // Insertion order is order of expiry, so what is stale is always at the front.
  const issued = new Map<string, { clearance: Clearance; expiresAtMs: number }>();

  const dropExpired = (): void => {
    for (const [token, { expiresAtMs }] of issued) {
      if (expiresAtMs > now()) return;
      issued.delete(token);
    }
  };

  return {
    issue(clearance) {
      dropExpired();
      issued.delete(clearance.token);
      issued.set(clearance.token, { clearance, expiresAtMs: now() + CLEARANCE_LIFETIME_S * 1000 });
    },
    redeem(token) {
      dropExpired();
      const entry = issued.get(token);
      issued.delete(token);
      return entry?.clearance;
    },
    get size() {
      dropExpired();
      return issued.size;
    },
  };
}
