import { createAccounts } from './accounts/accounts.ts';
import type { Accounts } from './accounts/accounts.ts';
import { keyDigest } from './accounts/key-id.ts';
import type { Transition } from './accounts/pool.ts';
import type { Store } from './accounts/store.ts';
import { COOKIE as ADMIN_COOKIE } from './admin/guard.ts';
import type { Config } from './config.ts';
import { createGateway } from './gateway/gateway.ts';
import type { GatewayOptions } from './gateway/gateway.ts';
import type { Keys } from './http/auth.ts';
import type { Fallback } from './http/fallback.ts';
import type { Log } from './log.ts';
import type { Exchange } from './outbound/exchange.ts';
import type { Exits } from './outbound/exits.ts';
import type { NodeEvent } from './outbound/health.ts';
import type { SetPolicy } from './outbound/node-set.ts';
import { createWays } from './outbound/ways.ts';
import type { Ways } from './outbound/ways.ts';
import type { LocalSearch } from './sentinel/search-here.ts';
import { createProofPool } from './threads/pool.ts';
import type { ProofPool } from './threads/pool.ts';
import { browserHeaders } from './upstream/headers.ts';

// The rooms, each as the settings want it.

/** Gateways and ways out to them; what becomes of each goes into the log. */
export function openWays(
  config: Config,
  log: Log,
  exits: readonly string[],
  policy?: Partial<SetPolicy>,
): Ways {
  return createWays({
    exits,
    gateways: config.chatgptBaseUrls,
    // Of the wall clock, for pages show it, and never going back.
    nowMs: () => performance.timeOrigin + performance.now(),
    random: Math.random,
    onEvent: (event) => logNode(log, event),
    ...(policy !== undefined && { policy }),
  });
}

/** The threads' search, here too: takes some 5 ms. */
export async function compileSearch(local: LocalSearch): Promise<void> {
  const { loadKernel } = await import('../workers/kernel/load.ts');
  const kernel = loadKernel();
  if (kernel !== null) local.use((task) => kernel.search(task, () => false));
}

export function openProofs(config: Config): ProofPool {
  return createProofPool({
    threads: config.powThreads,
    maxQueue: config.maxQueue,
    queueTimeoutMs: config.queueTimeoutMs,
    timeoutMs: config.powTimeoutMs,
  });
}

export function openAccounts(
  config: Config,
  log: Log,
  ways: Ways,
  exchange: Exchange,
  store: Store | undefined,
): Accounts {
  const { dataDir, dataKey, keysFile, authorization, maxQueue, queueTimeoutMs, userAgent } = config;
  return createAccounts({
    dataDir,
    dataKey,
    keysFile,
    authorization,
    concurrency: config.accountConcurrency,
    honoursLimits: config.enableLimit,
    maxQueue,
    queueTimeoutMs,
    oauthTokenUrl: config.oauthTokenUrl,
    scheduledRefresh: config.scheduledRefresh,
    userAgent,
    exchange,
    ways,
    store,
    onNotice: (message) => log.warn(message),
    onTransition: (transition) => logTransition(log, transition),
  });
}

export function openGateway(
  config: Config,
  front: Pick<GatewayOptions, 'findOwn' | 'addressOf'>,
  { ways, exits, keys }: { ways: Ways; exits: Exits; keys: Pick<Keys, 'find'> },
): Fallback {
  const adminDigest = config.adminKey === null ? null : keyDigest(config.adminKey);
  return createGateway({
    gateways: config.chatgptBaseUrls,
    prefix: config.apiPrefix,
    ...front,
    authKey: config.authKey,
    sender: {
      browser: browserHeaders(config),
      privateCookies: [ADMIN_COOKIE],
      isOwnKey: (credential) => keyDigest(credential) === adminDigest || keys.find(credential) !== null,
    },
    pick: (ask) => ways.pick(ask),
    exits,
    connectMs: config.connectTimeoutMs,
    idleMs: config.idleTimeoutMs,
    slowClientMs: config.slowClientTimeoutMs,
  });
}

function logTransition(log: Log, { id, from, to, reason }: Transition): void {
  const fields = { account: id, from, to, reason };
  if (to === 'quarantined' || to === 'disabled') log.warn('account taken out', fields);
  else log.info('account changed', fields);
}

function logNode(log: Log, { node, kind, reason, untilMs }: NodeEvent): void {
  const fields = { node, reason, ...(untilMs !== null && { durationMs: untilMs - Date.now() }) };
  if (kind === 'ejected') log.warn('way taken out', fields);
  else log.info(`way ${kind}`, fields);
}
