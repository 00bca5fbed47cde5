import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { createDirectAccounts } from './accounts/direct.ts';
import { createComplete } from './chat/complete.ts';
import type { ChatPorts } from './chat/ports.ts';
import type { Config } from './config.ts';
import { chatRoute } from './http/chat-route.ts';
import { modelsRoutes } from './http/models-routes.ts';
import { createServer } from './http/server.ts';
import type { Server } from './http/server.ts';
import type { Log } from './log.ts';
import { createExchange } from './outbound/exchange.ts';
import { createExits } from './outbound/exits.ts';
import type { Exits } from './outbound/exits.ts';
import { createFetchFile } from './outbound/fetch-file.ts';
import { createClearance } from './sentinel/clearance.ts';
import { createProofPool } from './threads/pool.ts';
import type { ProofPool } from './threads/pool.ts';
import { loadTokenizer } from './tokens/tokenizer.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { createFileSource } from './upstream/file-source.ts';
import type { OpenAttachment } from './upstream/file-source.ts';
import { createFiles } from './upstream/files.ts';

export interface App {
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

/** Joins the rooms: settings to adapters, adapters to the spine, the spine to the edge. */
export function createApp(config: Config, log: Log, seams: AppSeams = {}): App {
  const exits = createExits({ proxies: config.proxyUrls, connectTimeoutMs: config.connectTimeoutMs });
  const proofs = createProofPool({
    threads: config.powThreads,
    maxQueue: config.maxQueue,
    queueTimeoutMs: config.queueTimeoutMs,
    timeoutMs: config.powTimeoutMs,
  });
  const complete = createComplete(createPorts(config, seams, exits, proofs), {
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
  const server = createServer({
    host: config.host,
    port: config.port,
    prefix: config.apiPrefix,
    drainTimeoutMs: config.drainTimeoutMs,
    routes: [
      chatRoute({
        complete,
        loadTokenizer,
        keys: config.authorization,
        historyDisabled: config.historyDisabled,
        uploadByUrl: config.uploadByUrl,
        maxBodyBytes: config.maxBodyBytes,
        maxInflight: config.maxInflight,
        slowClientTimeoutMs: config.slowClientTimeoutMs,
        onInternalError,
      }),
      ...modelsRoutes(config.authorization),
    ],
    unreadyReasons: () => [],
    onRequestEnd: (record) => log.logRequest(record),
    onInternalError,
  });
  let closing: Promise<void> | null = null;
  return {
    nativeBuild: server.nativeBuild,
    async listen() {
      const address = await server.listen();
      // A vocabulary blocks the thread while it loads: better now than under somebody's stream.
      void loadTokenizer('o200k_base').then(() => loadTokenizer('cl100k_base'));
      return address;
    },
    close: () => (closing ??= closeAll(server, proofs, exits)),
  };
}

function createPorts(config: Config, seams: AppSeams, exits: Exits, proofs: ProofPool): ChatPorts {
  const profile = { userAgent: config.userAgent, authKey: config.authKey };
  const newId = randomUUID;
  const { lease } = createDirectAccounts({
    origins: config.chatgptBaseUrls,
    pickExit: () => exits.pick(),
    newId,
  });
  const exchange = createExchange(exits);
  const { clear } = createClearance({
    exchange,
    profile,
    pool: proofs,
    arkoseServices: config.arkoseTokenUrls,
    hardestDifficulty: config.powDifficulty,
    conversationOnly: config.conversationOnly,
    nowMs: Date.now,
    random: Math.random,
    newId,
  });
  const { converse } = createUpstreamClient({ exits, profile, newId });
  const { attach } = createFiles({ exchange, openFile: createOpenFile(config, seams), profile, newId });
  const link: ChatPorts['link'] = () => Promise.resolve(null);
  return { lease, clear, attach, converse, link };
}

function createOpenFile(config: Config, { allowAddress }: AppSeams): OpenAttachment {
  const { exportProxyUrl: proxyUrl, maxFileBytes: maxBytes, userAgent, connectTimeoutMs } = config;
  const fetchFile = createFetchFile({ proxyUrl, userAgent, maxBytes, connectTimeoutMs, allowAddress });
  return createFileSource({ fetchFile, maxBytes, spoolDirectory: tmpdir() });
}

async function closeAll(server: Server, proofs: ProofPool, exits: Exits): Promise<void> {
  await server.drain();
  await proofs.destroy();
  await exits.destroy();
}
