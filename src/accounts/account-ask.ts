import type { Credential } from '../conversation/turn.ts';
import type { ChatError } from '../errors.ts';
import type { AccessToken } from './records.ts';

/** What a conversation wants of its account. */
export interface AccountAsk {
  /** Keys take turns when requests wait. */
  readonly keyId: string;
  /** A slug or a custom GPT. */
  readonly model: string;
  readonly prefer: Preference | null;
  /** Taken only when no other has room. */
  readonly avoid: readonly string[];
}

export interface Preference {
  readonly id: string;
  /** `must`: the conversation lives there and no other will do; `like`: taken when it has room. */
  readonly strength: 'must' | 'like';
}

/** An account on loan for one conversation. `release` is idempotent and must be called however that ends. */
export interface AccountLease {
  readonly id: string;
  readonly credential: Credential;
  /** Of a refresh credential; null there: fetch one, and tell the pool by `refreshed` or `refreshFailed`. */
  readonly access: AccessToken | null;
  /** Could another account serve the same ask, now or soon? */
  readonly hasOther: boolean;
  /** Null: it went well. Of failures those that are no fault of the account's count for nothing. */
  release(failure: ChatError | null): void;
  /** Nothing was asked; as idempotent, and instead of `release`. */
  giveBack(): void;
}
