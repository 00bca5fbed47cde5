import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { Affinity } from './accounts/affinity.ts';
import { createDirectAccounts } from './accounts/direct.ts';
import type { DirectAccounts } from './accounts/direct.ts';
import { createComplete } from './chat/complete.ts';
import type { ChatPorts, OwnModels } from './chat/ports.ts';
import type { Config } from './config.ts';
import { createAdmission } from './http/admission.ts';
import { chatRoute } from './http/chat-route.ts';
import { filesRoute } from './http/files-route.ts';
import { imagesRoute } from './http/images-route.ts';
import { modelsRoutes } from './http/models-routes.ts';
import { createServer } from './http/server.ts';
import type { Server } from './http/server.ts';
import type { Log } from './log.ts';
import { createExchange } from './outbound/exchange.ts';
import { createExits } from './outbound/exits.ts';
import type { Exits } from './outbound/exits.ts';
import { createFetchFile } from './outbound/fetch-file.ts';
import { createSentinel } from './sentinel/sentinel.ts';
import type { Sentinel } from './sentinel/sentinel.ts';
import { createProofPool } from './threads/pool.ts';
import type { ProofPool } from './threads/pool.ts';
import { loadTokenizer } from './tokens/tokenizer.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { createDownloads } from './upstream/downloads.ts';
import { createFileLinks } from './upstream/file-links.ts';
import type { FileLinks } from './upstream/file-links.ts';
import { createFileSource } from './upstream/file-source.ts';
import type { OpenAttachment } from './upstream/file-source.ts';
import { createFiles } from './upstream/files.ts';
import { createFileStreams } from './upstream/file-streams.ts';
import type { ClientProfile } from './upstream/headers.ts';
import { createModelLists } from './upstream/models.ts';
import { createPendingDrawings } from './upstream/pending-drawings.ts';

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

/** What no setting may change. */
export interface AppSeams {
  /** The addresses to which users' URLs may lead; not given: the public internet. For tests on loopback. */
  readonly allowAddress?: (address: string) => boolean;
}

/** Some 50 MB when full; a conversation that nobody continued for a day is unlikely to be. */
const MAX_CONVERSATIONS = 100_000;
const CONVERSATION_IDLE_MS = 24 * 3_600_000;

/** Joins the rooms: settings to adapters, adapters to the spine, the spine to the edge. */
export function createApp(config: Config, log: Log, seams: AppSeams = {}): App {
  const exits = createExits({ proxies: config.proxyUrls, connectTimeoutMs: config.connectTimeoutMs });
  const proofs = createProofPool({
    threads: config.powThreads,
    maxQueue: config.maxQueue,
    queueTimeoutMs: config.queueTimeoutMs,
    timeoutMs: config.powTimeoutMs,
  });
  const fileLinks = createFileLinks({ nowMs: Date.now });
  const files = createFileStreams({
    exits,
    profile: profileOf(config),
    links: fileLinks,
    idleMs: config.idleTimeoutMs,
  });
  const { ports, accounts, models, sentinel } = createPorts(config, seams, exits, proofs, fileLinks, log);
  const complete = createComplete(ports, {
    retryTimes: config.retryTimes,
    deadlines: {
      firstTokenMs: config.firstTokenTimeoutMs,
      idleMs: config.idleTimeoutMs,
      totalMs: config.totalTimeoutMs,
    },
    random: Math.random,
  });
  const onInternalError = (requestId: string, thrown: unknown): void =>
    log.error('unforeseen failure', thrown, { requestId });
  const { slowClientTimeoutMs, historyDisabled } = config;
  const address = { publicUrl: config.publicUrl, prefix: config.apiPrefix };
  const admit = createAdmission({
    keys: config.authorization,
    maxBodyBytes: config.maxBodyBytes,
    maxInflight: config.maxInflight,
  });
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
      ...modelsRoutes({ keys: config.authorization, models }),
    ],
    unreadyReasons: () => [],
    onRequestEnd: (record) => log.logRequest(record),
    onInternalError,
  });
  let closing: Promise<void> | null = null;
  return {
    nativeBuild: server.nativeBuild,
    get inflight() {
      return countInflight(server, accounts, exits, proofs);
    },
    get proofThreadIds() {
      return proofs.threadIds;
    },
    async listen() {
      const address = await server.listen();
      // A vocabulary blocks the thread while it loads: better now than under somebody's stream.
      void loadTokenizer('o200k_base').then(() => loadTokenizer('cl100k_base'));
      return address;
    },
    close: () => (closing ??= closeAll(server, sentinel, proofs, exits)),
  };
}

interface Ports {
  readonly ports: ChatPorts;
  readonly accounts: DirectAccounts;
  readonly models: OwnModels;
  readonly sentinel: Sentinel;
}

function profileOf({ userAgent, authKey }: Config): ClientProfile {
  return { userAgent, authKey };
}

function createPorts(
  config: Config,
  seams: AppSeams,
  exits: Exits,
  proofs: ProofPool,
  fileLinks: FileLinks,
  log: Log,
): Ports {
  const profile = profileOf(config);
  const newId = randomUUID;
  const exchange = createExchange(exits);
  const origins = config.chatgptBaseUrls;
  const nowMs = (): number => performance.now();
  const affinity = new Affinity({ maxEntries: MAX_CONVERSATIONS, idleMs: CONVERSATION_IDLE_MS, nowMs });
  const accounts = createDirectAccounts({
    origins,
    pickExit: () => exits.pick(),
    newId,
    affinity,
  });
  const modelLists = createModelLists({ exchange, profile, origins, visit: accounts.visit, nowMs });
  const client = createUpstreamClient({ exits, profile, newId });
  const sentinel = createSentinel({
    converse: client.converse,
    powSearch: config.powSearch,
    presolve: config.presolve,
    onFallback: (origin) => log.warn('proofs of work were refused: trying POW_SEARCH=nonce', { origin }),
    exchange,
    profile,
    modelLists: config.checkModel ? modelLists : null,
    pool: proofs,
    arkoseServices: config.arkoseTokenUrls,
    hardestDifficulty: config.powDifficulty,
    conversationOnly: config.conversationOnly,
    nowMs: Date.now,
    random: Math.random,
    newId,
  });
  const { attach } = createFiles({ exchange, openFile: createOpenFile(config, seams), profile, newId });
  const { link } = createDownloads({ exchange, profile, links: fileLinks });
  const { drawing } = createPendingDrawings({ exchange, profile, random: Math.random });
  const { clear, converse } = sentinel;
  return {
    ports: { lease: accounts.lease, clear, attach, converse, drawing, link },
    accounts,
    models: modelLists.own,
    sentinel,
  };
}

function countInflight(server: Server, accounts: DirectAccounts, exits: Exits, proofs: ProofPool): Inflight {
  return {
    requests: server.inflight,
    leases: accounts.inFlight,
    proofsQueued: proofs.queued,
    proofsRunning: proofs.running,
    upstreamCalls: exits.inFlight,
  };
}

function createOpenFile(config: Config, { allowAddress }: AppSeams): OpenAttachment {
  const { exportProxyUrl: proxyUrl, maxFileBytes: maxBytes, userAgent, connectTimeoutMs } = config;
  const fetchFile = createFetchFile({ proxyUrl, userAgent, maxBytes, connectTimeoutMs, allowAddress });
  return createFileSource({ fetchFile, maxBytes, spoolDirectory: tmpdir() });
}

async function closeAll(server: Server, sentinel: Sentinel, proofs: ProofPool, exits: Exits): Promise<void> {
  await server.drain();
  sentinel.close();
  await proofs.destroy();
  await exits.destroy();
}
