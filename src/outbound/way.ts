import type { ChatError } from '../errors.ts';

/** A gateway, and the exit through which it is reached. */
export interface Way {
  readonly origin: string;
  readonly exit: string;
}

/** What an attempt wants of its way. */
export interface WayAsk {
  /** Where the conversation, or the account, was before; taken as long as it is well. Null: no matter. */
  readonly prefer: { readonly origin: string | null; readonly exit: string | null } | null;
  /** Where attempts of the same request failed; taken again only when there is no other. */
  readonly avoid: readonly Way[];
}

/**
 * A way in use. `release` is idempotent and must be called however the attempt ends; null: it went well;
 * `unused`: nothing is known of it.
 */
export interface WayLease {
  readonly way: Way;
  /** A gateway that is well, is not this one, and was not to be avoided. Not given: no. */
  readonly hasOtherGateway?: boolean;
  readonly release: (outcome: ChatError | 'unused' | null) => void;
}
