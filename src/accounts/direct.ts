import { ChatError } from '../errors.ts';
import type { ChatPorts, Lease } from '../chat/ports.ts';

export interface DirectAccountsOptions {
  /** CHATGPT_BASE_URL; at least one. */
  readonly origins: readonly string[];
  readonly pickExit: () => string;
  readonly newId: () => string;
}

/** Everybody as who they say they are: the caller's own token, or none. */
export interface DirectAccounts {
  readonly lease: ChatPorts['lease'];
  /** Leases not yet released. */
  readonly inFlight: number;
}

export function createDirectAccounts({ origins, pickExit, newId }: DirectAccountsOptions): DirectAccounts {
  const bases = origins.map((origin) => origin.replace(/\/+$/, ''));
  let inFlight = 0;
  let turn = 0;

  function nextOrigin(): string {
    const origin = bases[turn % bases.length];
    if (origin === undefined) throw new ChatError('internal_error', 'CHATGPT_BASE_URL names no gateway.');
    turn += 1;
    return origin;
  }

  return {
    async lease(caller, _turn, signal): Promise<Lease> {
      signal.throwIfAborted();
      const session = { origin: nextOrigin(), caller, deviceId: newId(), exit: pickExit() };
      let isReleased = false;
      inFlight += 1;
      return {
        session,
        hasOtherAccount: false,
        release() {
          if (isReleased) return;
          isReleased = true;
          inFlight -= 1;
        },
      };
    },
    get inFlight() {
      return inFlight;
    },
  };
}
