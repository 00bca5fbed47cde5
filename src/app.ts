import { compileSearch, openAccounts, openGateway, openProofs, openWays } from './app-rooms.ts';
import type { Accounts } from './accounts/accounts.ts';
import { createAdminRoutes } from './admin/routes.ts';
import { createMetricsSources } from './app-metrics.ts';
import { createPorts, profileOf } from './app-ports.ts';
import type { AppProps, AppSeams } from './app-ports.ts';
import { createComplete } from './chat/complete.ts';
import { createRetryBudget } from './chat/retry.ts';
import type { Config } from './config.ts';
import { createDesk } from './desk.ts';
import { createAdmission } from './http/admission.ts';
import { chatRoute } from './http/chat-route.ts';
import { shuttingDown } from './http/dispatch.ts';
import { filesRoute } from './http/files-route.ts';
import { imagesRoute } from './http/images-route.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { modelsRoutes } from './http/models-routes.ts';
import { createFindOwnOrigin } from './http/own-origin.ts';
import type { RequestSnapshot } from './http/request.ts';
import { createServer } from './http/server.ts';
import { TrustedProxies } from './http/trusted-proxies.ts';
import { createWaitingRoom } from './http/waiting-room.ts';
import { createLateMetrics } from './late-metrics.ts';
import type { Log } from './log.ts';
import { meterPorts } from './metrics/metered-ports.ts';
import { meterProofs } from './metrics/metered-proofs.ts';
import { TurnMeter } from './metrics/turn-meter.ts';
import { createExchange } from './outbound/exchange.ts';
import { createExits } from './outbound/exits.ts';
import type { Exits } from './outbound/exits.ts';
import { timedSend } from './outbound/timed-send.ts';
import type { Ways } from './outbound/ways.ts';
import { createPressure } from './pressure.ts';
import { loadTokenizer } from './tokens/tokenizer.ts';
import { UNTRACED } from './tracing/untraced.ts';
import { createAccountCheck } from './upstream/account-check.ts';
import { createFileLinks } from './upstream/file-links.ts';
import { createFileStreams } from './upstream/file-streams.ts';
import { warmUp } from './warm-up.ts';

export type { AppProps, AppSeams };

/** What is under way. All zero when nobody wants anything, however the work before ended. */
export interface Inflight {
  readonly requests: number;
  readonly leases: number;
  readonly proofsQueued: number;
  readonly proofsRunning: number;
  /** Calls to the backend whose answer is not complete. */
  readonly upstreamCalls: number;
}

export interface App {
  /** As of now, at each reading. */
  readonly inflight: Inflight;
  /** The threads that search proofs; they stay the same as long as none of them dies. */
  readonly proofThreadIds: readonly number[];
  /** Which binary of uWebSockets.js serves. */
  readonly nativeBuild: string;
  /** Rejects when the address cannot be had. */
  listen(): Promise<{ readonly port: number }>;
  /** Refuses new work, lets streams finish within DRAIN_TIMEOUT_MS, then closes everything. Idempotent. */
  close(): Promise<void>;
}

/** Who asked just now will probably ask again. */
const QUIET_MS = 100;

/**
 * Joins the rooms: settings to adapters, adapters to the spine, the spine to the edge. Throws StoreError
 * when DATA_DIR or KEYS_FILE cannot be used.
 */
export function createApp(config: Config, log: Log, seams: AppSeams = {}): App {
  const dialled = createExits({ proxies: config.proxyUrls, connectTimeoutMs: config.connectTimeoutMs });
  const ways = openWays(config, log, dialled.names, seams.waysPolicy);
  const elapsedMs = (): number => performance.now();
  const exits: Exits = {
    ...dialled,
    get inFlight() {
      return dialled.inFlight;
    },
    send: timedSend(
      (...call) => dialled.send(...call),
      (way, latencyMs) => ways.observe(way, latencyMs),
      elapsedMs,
    ),
  };
  const tracing = seams.tracing ?? UNTRACED;
  const exchange = tracing.exchange(createExchange(exits));
  const accounts = openAccounts(config, log, ways, exchange, seams.props?.store);
  const proofs = seams.props?.proofs ?? openProofs(config);
  const fileLinks = createFileLinks({ nowMs: Date.now });
  const profile = profileOf(config);
  const files = createFileStreams({ exits, profile, links: fileLinks, idleMs: config.idleTimeoutMs });
  const turns = new TurnMeter(() => performance.now());
  const watchedProofs = tracing.proofs(meterProofs(proofs, turns));
  const adapters = { exits, exchange, proofs: watchedProofs, accounts, fileLinks, log };
  const { ports, models, sentinel, localSearch } = createPorts(config, seams, adapters);
  const budget = createRetryBudget();
  const completeUntraced = createComplete(tracing.ports(meterPorts(ports, turns)), {
    retryTimes: config.retryTimes,
    deadlines: {
      firstTokenMs: config.firstTokenTimeoutMs,
      idleMs: config.idleTimeoutMs,
      totalMs: config.totalTimeoutMs,
    },
    random: Math.random,
    budget,
  });
  const complete = tracing.complete(completeUntraced);
  const onInternalError = (requestId: string, thrown: unknown): void =>
    log.error('unforeseen failure', thrown, { requestId });
  const { slowClientTimeoutMs, historyDisabled } = config;
  const trusted = new TrustedProxies(config.trustProxy);
  const front = {
    findOwn: createFindOwnOrigin({ publicUrl: config.publicUrl, trusted }),
    addressOf: (request: RequestSnapshot) => trusted.clientOf(request),
  };
  const address = { findOwn: front.findOwn, prefix: config.apiPrefix };
  const { keys, gates } = accounts;
  const room = createWaitingRoom({
    places: config.maxInflight,
    maxWaiting: config.maxQueue,
    timeoutMs: config.queueTimeoutMs,
  });
  const pressure = seams.pressure ?? createPressure();
  const strain = (): string | null =>
    pressure.reason() ?? proofStrain(proofs.backlogMs, config.queueTimeoutMs);
  const admit = createAdmission({
    keys,
    gates,
    maxBodyBytes: config.maxBodyBytes,
    room,
    pressure: strain,
  });
  const desk = createDesk({ accounts, ways, check: createAccountCheck({ exchange, profile }) });
  const closingDown = new AbortController();
  const metrics = createLateMetrics({
    sources: createMetricsSources({
      proxyUrls: config.proxyUrls,
      inflight: () => inflight(),
      turns,
      room,
      accounts,
      ways,
      proofs,
      sentinel,
      budget,
      exits,
      pressure,
    }),
    turns,
  });
  let lastRequestMs = -Infinity;
  const server = createServer({
    host: config.host,
    port: config.port,
    prefix: config.apiPrefix,
    drainTimeoutMs: config.drainTimeoutMs,
    routes: [
      chatRoute({
        admit,
        complete,
        models,
        loadTokenizer,
        uploadByUrl: config.uploadByUrl,
        historyDisabled,
        address,
        slowClientTimeoutMs,
        onInternalError,
      }),
      imagesRoute({ admit, complete, files, address }),
      filesRoute({ files, slowClientTimeoutMs }),
      ...modelsRoutes({ keys, models }),
      metricsRoute(metrics),
      ...(config.adminKey === null
        ? []
        : createAdminRoutes({
            desk,
            adminKey: config.adminKey,
            prefix: config.apiPrefix,
            nowMs: Date.now,
            addressOf: front.addressOf,
            closing: closingDown.signal,
          })),
    ],
    ...(config.enableGateway && { fallback: openGateway(config, front, { ways, exits, keys }) }),
    unreadyReasons: () => unreadyReasons(accounts, ways),
    readyFigures: () => ({ accounts: { usable: accounts.pool.usable, total: accounts.pool.size } }),
    onRequestEnd: (record) => {
      lastRequestMs = elapsedMs();
      metrics.observe(record, Date.now());
      log.logRequest(record);
    },
    ...(tracing.around !== undefined && { around: tracing.around }),
    onInternalError,
  });
  const inflight = (): Inflight => ({
    requests: server.inflight,
    leases: accounts.leases.inFlight,
    proofsQueued: proofs.queued,
    proofsRunning: proofs.running,
    upstreamCalls: exits.inFlight,
  });
  let closing: Promise<void> | null = null;

  /** Several gateways take turns by how they did so far, which is for chats to find out. */
  async function openPage(): Promise<void> {
    if (config.chatgptBaseUrls.length > 1) return;
    await sentinel.openPage(accounts.leases.passBy(), closingDown.signal).catch(() => undefined);
  }

  async function close(): Promise<void> {
    pressure.stop();
    closingDown.abort();
    const drained = server.drain();
    // Only now: who is refused shall hear goodbye, and find no connection that is kept for more.
    room.dismiss(shuttingDown());
    accounts.pool.drain();
    await drained;
    sentinel.close();
    await accounts.close();
    await proofs.destroy();
    await exits.destroy();
    await tracing.close();
  }

  return {
    nativeBuild: server.nativeBuild,
    get inflight() {
      return inflight();
    },
    get proofThreadIds() {
      return proofs.threadIds;
    },
    async listen() {
      await accounts.begin();
      const address = await server.listen();
      if (seams.props !== undefined) return address;
      void warmUp({
        rehearse: seams.rehearse,
        compileSearch: () => compileSearch(localSearch),
        ...(seams.opensPage === true && { openPage }),
        metrics,
        isQuiet: () => server.inflight === 0 && elapsedMs() - lastRequestMs > QUIET_MS,
        signal: closingDown.signal,
      });
      return address;
    },
    close: () => (closing ??= close()),
  };
}

/** A proof that would not be begun in time is better not asked for. */
function proofStrain(backlogMs: number, queueTimeoutMs: number): string | null {
  if (backlogMs <= queueTimeoutMs) return null;
  return `proofs of work for ${Math.round(backlogMs / 1000)} s wait already (POW_THREADS)`;
}

/** Holders of keys are served by the accounts, as long as there are any; all others are not. */
function unreadyReasons({ pool, keys }: Accounts, ways: Ways): readonly string[] {
  const way = ways.unusable();
  const isPoolDead = pool.size > 0 && pool.usable === 0 && !keys.isOpen;
  return [
    ...(way === null ? [] : [way]),
    ...(isPoolDead ? [`none of the ${pool.size} accounts is usable`] : []),
  ];
}
