import { ChatError } from '../errors.ts';
import type { ChatPorts, Lease, Session } from '../chat/ports.ts';
import type { Caller, Identity } from '../conversation/turn.ts';
import type { Affinity, Way } from './affinity.ts';
import { callerFingerprint } from './fingerprint.ts';

export interface DirectAccountsOptions {
  /** CHATGPT_BASE_URL; at least one. */
  readonly origins: readonly string[];
  readonly pickExit: () => string;
  readonly newId: () => string;
  /** Where the conversations that clients may continue live. */
  readonly affinity: Affinity;
}

/** Everybody as who they say they are: the caller's own token, or none. */
export interface DirectAccounts {
  readonly lease: ChatPorts['lease'];
  /** For a call beside the chats, which occupies nobody and does not count as a turn. */
  readonly visit: (caller: Caller, signal: AbortSignal) => Promise<Session | null>;
  /** Leases not yet released. */
  readonly inFlight: number;
}

export function createDirectAccounts(options: DirectAccountsOptions): DirectAccounts {
  const { pickExit, newId, affinity } = options;
  const nextOrigin = inTurn(options.origins);
  // Of its own: visits between chats must not move all chats to the same gateway.
  const nextVisited = inTurn(options.origins);
  let inFlight = 0;

  return {
    async lease(caller, turn, _tried, signal): Promise<Lease> {
      signal.throwIfAborted();
      const owner = callerFingerprint(caller);
      const { conversationId } = turn;
      const known = conversationId === null ? null : affinity.find(owner, conversationId);
      const way: Way = known?.way ?? { origin: nextOrigin(), exit: pickExit() };
      const deviceId = known?.deviceId ?? newId();
      let isReleased = false;
      inFlight += 1;
      return {
        session: { ...way, identity: toIdentity(caller), account: null, deviceId },
        hasOtherAccount: false,
        lastMessageId: known?.lastMessageId ?? null,
        keep: (keptId, lastMessageId) => affinity.keep(owner, keptId, { way, deviceId, lastMessageId }),
        release(failure) {
          if (isReleased) return;
          isReleased = true;
          inFlight -= 1;
          const isWayAtFault = failure?.fault === 'address' || failure?.fault === 'upstream';
          if (conversationId !== null && isWayAtFault) affinity.leave(owner, conversationId, way);
        },
      };
    },
    visit: async (caller) => ({
      origin: nextVisited(),
      exit: pickExit(),
      identity: toIdentity(caller),
      account: null,
      deviceId: newId(),
    }),
    get inFlight() {
      return inFlight;
    },
  };
}

function toIdentity(caller: Caller): Identity {
  if (caller.kind !== 'own') return { token: null, accountId: null };
  const { token, accountId } = caller.credential;
  return { token, accountId };
}

function inTurn(origins: readonly string[]): () => string {
  const bases = origins.map((origin) => origin.replace(/\/+$/, ''));
  let turn = 0;
  return () => {
    const origin = bases[turn % bases.length];
    if (origin === undefined) throw new ChatError('internal_error', 'CHATGPT_BASE_URL names no gateway.');
    turn += 1;
    return origin;
  };
}
