import type { Credential } from '../conversation/turn.ts';

/** What is kept of an account over restarts. Times are of the wall clock. Holds secrets: never logged, never shown. */
export interface AccountRecord {
  /** `accountIdOf(credential)`: names the account in logs, metrics and the admin API. */
  readonly id: string;
  readonly credential: Credential;
  readonly addedMs: number;
  /** What a refresh credential was last exchanged for; null for an access credential, and before the first exchange. */
  readonly access: AccessToken | null;
  readonly standing: Standing;
  /** As upstream calls it (`free`, `plus`, `team`, ...); null: not known yet. */
  readonly plan: string | null;
  readonly limits: readonly ModelLimit[];
  /** How many conversations at once upstream was found to allow; null: no fewer than ACCOUNT_CONCURRENCY. */
  readonly concurrency: number | null;
}

export interface AccessToken {
  readonly token: string;
  /** By the token's own `exp`, or by what the exchange said; null: not known. */
  readonly expiresMs: number | null;
}

/** An account as far as its tokens go; what is here may lag behind what they are now. */
export interface TokenOwner {
  readonly id: string;
  readonly credential: Credential;
  readonly access: AccessToken | null;
}

/** What must not be forgotten when the process ends: may the account be used at all? */
export type Standing =
  | { readonly kind: 'good' }
  /** Upstream refused the token; a fresh one, or the operator, brings it back. */
  | { readonly kind: 'quarantined'; readonly reason: string; readonly sinceMs: number }
  | {
      readonly kind: 'disabled';
      readonly by: 'upstream' | 'operator';
      readonly reason: string;
      readonly sinceMs: number;
    };

/** Upstream's own limit for one model of one account. */
export interface ModelLimit {
  /** A slug or a custom GPT; null: whatever the model. */
  readonly model: string | null;
  readonly untilMs: number;
  readonly reason: string;
}

/** A key for clients, with its limits. The key itself is not kept. */
export interface KeyRecord {
  /** `keyIdOf(key)`: the first digits of its SHA-256. */
  readonly id: string;
  /** The whole SHA-256 of the key, hexadecimal. */
  readonly sha256: string;
  /** What the operator calls it. */
  readonly name: string;
  readonly addedMs: number;
  readonly limits: KeyLimits;
}

/** Null: no limit of its own. */
export interface KeyLimits {
  readonly requestsPerMinute: number | null;
  readonly concurrentStreams: number | null;
}
