import type { ChatPorts, Lease, Session } from '../chat/ports.ts';
import type { Caller, Identity, Turn } from '../conversation/turn.ts';
import { toChatError } from '../errors.ts';
import type { ChatError } from '../errors.ts';
import type { Ways } from '../outbound/ways.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { AccountLease } from './account-ask.ts';
import type { Affinity, KnownConversation } from './affinity.ts';
import type { CallerLimits } from './caller-limits.ts';
import { deviceIdOf } from './device-id.ts';
import { callerFingerprint } from './fingerprint.ts';
import type { AccountPool } from './pool.ts';
import { RecentExits } from './recent-exits.ts';

export interface LeasesOptions {
  readonly pool: AccountPool;
  readonly tokens: AccessTokens;
  readonly ways: Ways;
  /** Where the conversations that clients may continue live. */
  readonly affinity: Affinity;
  /** What upstream said of callers' own accounts. */
  readonly callerLimits: CallerLimits;
  readonly newId: () => string;
}

/** Who asks upstream, and by which way: as an account of the pool, a caller's own, or a visitor. */
export interface Leases {
  readonly lease: ChatPorts['lease'];
  /**
   * A session for a call beside the chats, which occupies nobody and does not count as a turn; of a key,
   * as the first account that can be used. Null: there is no account for the caller, or no token for it.
   * Rejects only with the signal's reason.
   */
  readonly visit: (caller: Caller, signal: AbortSignal) => Promise<Session | null>;
  /** The same as one account of the pool. Rejects with a ChatError when its token cannot be had. */
  readonly visitAs: (account: string, signal: AbortSignal) => Promise<Session | null>;
  /** What became of a visit that failed: an account that is refused there is no good for chats either. */
  readonly visited: (session: Session, failure: ChatError) => void;
  /** A visitor's session, who has nothing to ask and takes nobody's turn. */
  readonly passBy: () => Session;
  /** Leases not yet released. */
  readonly inFlight: number;
}

/** As whom an attempt asks, until `release`. */
interface Tenant {
  readonly identity: Identity;
  readonly account: string | null;
  /** Null: a visitor, who has a device for each conversation. */
  readonly deviceId: string | null;
  readonly hasOther: boolean;
  release(failure: ChatError | null): void;
}

/** What all attempts of a request have in common. */
interface Attempt {
  readonly turn: Turn;
  /** The account on which the conversation lives; null: a new one, or unknown to us. */
  readonly home: string | null;
  readonly tried: readonly Session[];
  readonly signal: AbortSignal;
}

const NOBODY: Identity = { token: null, accountId: null };
const VISITOR: Tenant = {
  identity: NOBODY,
  account: null,
  deviceId: null,
  hasOther: false,
  release: () => {},
};
/** Exchanges of refresh tokens that come to nothing, for no fault of the account's, before an attempt gives up. */
const MAX_FAILED_EXCHANGES = 4;

export function createLeases(options: LeasesOptions): Leases {
  const { pool, tokens, ways, affinity, callerLimits, newId } = options;
  const recent = new RecentExits();
  let inFlight = 0;

  function settle(caller: Caller, attempt: Attempt): Tenant | Promise<Tenant> {
    switch (caller.kind) {
      case 'visitor':
        return VISITOR;
      case 'own':
        return asOwn(caller, attempt);
      case 'key':
        // An operator without accounts offers what upstream offers to everybody.
        return pool.size === 0 ? VISITOR : asPooled(caller, attempt);
      default:
        return caller satisfies never;
    }
  }

  async function asOwn(caller: Caller & { kind: 'own' }, { turn, tried, signal }: Attempt): Promise<Tenant> {
    const { credential } = caller;
    const owner = callerFingerprint(caller);
    const model = modelOf(turn);
    callerLimits.check(owner, model);
    const token = await tokens.ownTokenFor(credential, signal);
    const isRefresh = credential.kind === 'refresh';
    return {
      identity: { token, accountId: credential.accountId },
      account: null,
      deviceId: deviceIdOf(owner),
      // Of a refused token there may be a fresh one, once.
      hasOther: isRefresh && tried.length === 0,
      release(failure) {
        if (failure === null) callerLimits.relax(owner);
        if (failure === null && isRefresh) tokens.accepted(token);
        if (failure?.code === 'account_unauthorized') tokens.refused(token);
        if (failure?.code === 'rate_limit_exceeded') callerLimits.learn(owner, model, failure);
      },
    };
  }

  async function asPooled(caller: Caller & { kind: 'key' }, attempt: Attempt): Promise<Tenant> {
    const { turn, home, tried, signal } = attempt;
    const avoid = tried.flatMap(({ account }) => account ?? []);
    const prefer = home === null ? null : ({ id: home, strength: 'must' } as const);
    let failedExchanges = 0;
    for (;;) {
      const ask = { keyId: caller.keyId, model: modelOf(turn), prefer, avoid };
      const lease = await pool.lease(ask, signal);
      try {
        return await toTenant(lease, caller.accountId, attempt);
      } catch (thrown) {
        if (!returnTokenless(lease, toChatError(thrown))) failedExchanges += 1;
        const isLast = failedExchanges === MAX_FAILED_EXCHANGES || !lease.hasOther;
        if (signal.aborted || isLast || avoid.includes(lease.id)) throw thrown;
        avoid.push(lease.id);
      }
    }
  }

  async function toTenant(
    lease: AccountLease,
    workspace: string | null,
    { home, tried, signal }: Attempt,
  ): Promise<Tenant> {
    const token = await tokens.tokenFor(lease, signal);
    const isRefresh = lease.credential.kind === 'refresh';
    // Of a refused token there may be a fresh one, once; and what all of the pool come to, it says itself.
    const isWorthMore = tried.length === 0 ? isRefresh : home === null;
    const accountId = workspace ?? lease.credential.accountId;
    const isForeign = accountId !== lease.credential.accountId;
    return {
      identity: { token, accountId },
      account: lease.id,
      deviceId: deviceIdOf(lease.id),
      hasOther: lease.hasOther || isWorthMore,
      release(failure) {
        const isRefused = failure?.code === 'account_unauthorized';
        // A client that names a workspace of which the account is no member is at fault itself.
        if (isRefused && isForeign) return lease.giveBack();
        if (isRefused) tokens.refused(token);
        if (failure === null && isRefresh) tokens.accepted(token);
        lease.release(failure);
      },
    };
  }

  function toLease(tenant: Tenant, owner: string, known: KnownConversation | null, attempt: Attempt): Lease {
    const { turn, tried } = attempt;
    const { identity, account } = tenant;
    const resident = account ?? owner;
    const isVisitor = identity.token === null;
    const prefer = known?.way ?? { origin: null, exit: isVisitor ? null : recent.find(resident) };
    const avoid = known?.left === undefined ? tried : [...tried, known.left];
    const { way, hasOtherGateway = false, release: leaveWay } = ways.pick({ prefer, avoid });
    const deviceId = known?.deviceId ?? tenant.deviceId ?? newId();
    let isReleased = false;
    inFlight += 1;
    return {
      session: { ...way, identity, account, deviceId },
      hasOtherAccount: tenant.hasOther,
      hasOtherGateway,
      lastMessageId: known?.lastMessageId ?? null,
      keep: (keptId, lastMessageId) =>
        affinity.keep(owner, keptId, { way, deviceId, lastMessageId, account }),
      release(failure) {
        if (isReleased) return;
        isReleased = true;
        inFlight -= 1;
        tenant.release(failure);
        leaveWay(failure);
        if (failure === null && !isVisitor) recent.keep(resident, way.exit);
        const isWayAtFault = failure?.fault === 'address' || failure?.fault === 'upstream';
        if (turn.conversationId !== null && isWayAtFault) affinity.leave(owner, turn.conversationId, way);
      },
    };
  }

  function toVisit(identity: Identity, account: string | null, deviceId: string): Session {
    const exit = account === null ? null : recent.find(account);
    const { way, release } = ways.pick({ prefer: { origin: null, exit }, avoid: [] });
    release('unused');
    return { ...way, identity, account, deviceId };
  }

  async function visitAs(account: string, signal: AbortSignal): Promise<Session | null> {
    const owner = pool.owner(account);
    if (owner === null) return null;
    const token = await tokens.tokenFor(owner, signal).catch((thrown: unknown) => {
      if (owner.credential.kind === 'access')
        pool.refused(account, toChatError(thrown), owner.credential.token);
      throw thrown;
    });
    return toVisit({ token, accountId: owner.credential.accountId }, account, deviceIdOf(account));
  }

  async function visitAsOwn(caller: Caller & { kind: 'own' }, signal: AbortSignal): Promise<Session> {
    const { credential } = caller;
    const token = await tokens.ownTokenFor(credential, signal);
    const deviceId = deviceIdOf(callerFingerprint(caller));
    return toVisit({ token, accountId: credential.accountId }, null, deviceId);
  }

  async function visitAsAny(signal: AbortSignal): Promise<Session | null> {
    for (let account = pool.anyUsable(); account !== null; account = pool.anyUsable()) {
      try {
        return await visitAs(account, signal);
      } catch (thrown) {
        // Who is refused is out of the pool; who fails otherwise would be found again.
        if (pool.anyUsable() === account) throw thrown;
      }
    }
    return null;
  }

  return {
    async lease(caller, turn, tried, signal) {
      signal.throwIfAborted();
      const owner = callerFingerprint(caller);
      const known = turn.conversationId === null ? null : affinity.find(owner, turn.conversationId);
      const attempt = { turn, home: known?.account ?? null, tried, signal };
      const tenant = await settle(caller, attempt);
      return toLease(tenant, owner, known, attempt);
    },
    async visit(caller, signal) {
      if (caller.kind === 'visitor') return null;
      try {
        return await (caller.kind === 'own' ? visitAsOwn(caller, signal) : visitAsAny(signal));
      } catch {
        signal.throwIfAborted();
        return null;
      }
    },
    visitAs,
    passBy: () => ({
      ...ways.look({ prefer: null, avoid: [] }),
      identity: NOBODY,
      account: null,
      deviceId: newId(),
    }),
    visited({ account, identity: { token } }, failure) {
      if (failure.code !== 'account_unauthorized' || token === null) return;
      tokens.refused(token);
      if (account !== null) pool.refused(account, failure, token);
    },
    get inFlight() {
      return inFlight;
    },
  };
}

/** True: the account is out of the pool now, so that there are no more such than accounts. */
function returnTokenless(lease: AccountLease, failure: ChatError): boolean {
  const isRefused = failure.code === 'account_unauthorized';
  // What became of an exchange the pool has heard from those who made it.
  if (isRefused && lease.credential.kind === 'access') lease.release(failure);
  else lease.giveBack();
  return isRefused;
}

/** What upstream's limits are for: a custom GPT has its own. */
function modelOf({ model }: Turn): string {
  return model.gizmoId ?? model.slug;
}
