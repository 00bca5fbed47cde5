import { tmpdir } from 'node:os';
import type { Leases } from './accounts/leases.ts';
import type { Store } from './accounts/store.ts';
import type { ChatPorts, OwnModels } from './chat/ports.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Exchange } from './outbound/exchange.ts';
import type { Exits } from './outbound/exits.ts';
import { createFetchFile } from './outbound/fetch-file.ts';
import type { SetPolicy } from './outbound/node-set.ts';
import type { Pressure } from './pressure.ts';
import { createLocalSearch } from './sentinel/search-here.ts';
import type { LocalSearch } from './sentinel/search-here.ts';
import { createSentinel } from './sentinel/sentinel.ts';
import type { Sentinel } from './sentinel/sentinel.ts';
import type { ProofPool } from './threads/pool.ts';
import type { Tracing } from './tracing/tracing.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { createDownloads } from './upstream/downloads.ts';
import type { FileLinks } from './upstream/file-links.ts';
import { createFileSource } from './upstream/file-source.ts';
import type { OpenAttachment } from './upstream/file-source.ts';
import { createFiles } from './upstream/files.ts';
import type { ClientProfile } from './upstream/headers.ts';
import { createModelLists } from './upstream/models.ts';
import { createPendingDrawings } from './upstream/pending-drawings.ts';
import type { WarmUpOptions } from './warm-up.ts';
import { randomUuid } from './random-ids.ts';

/** In place of what outlives a rehearsal or serves others beside: the disk and the threads. */
export interface AppProps {
  readonly store: Store;
  readonly proofs: ProofPool;
}

/** What no setting may change. */
export interface AppSeams {
  /** The addresses to which users' URLs may lead; not given: the public internet. For tests on loopback. */
  readonly allowAddress?: (address: string) => boolean;
  /** How soon a failing way is put aside and tried again. For tests that cannot wait for half a minute. */
  readonly waysPolicy?: Partial<SetPolicy>;
  /** What the machine says of itself; not given: what it says. */
  readonly pressure?: Pressure;
  /** Held in quiet moments after listening. */
  readonly rehearse?: WarmUpOptions['rehearse'];
  /** Is the gateway, if there is but one, asked for its page in a quiet moment after listening, before a chat needs it? */
  readonly opensPage?: boolean;
  /** For the app that is the rehearsal, which has no warm-up itself. */
  readonly props?: AppProps;
  /** Spans of requests; not given: none are made. Closed with the app. */
  readonly tracing?: Tracing;
}

/** What the ports are made of. */
export interface Adapters {
  readonly exits: Pick<Exits, 'send' | 'dial'>;
  readonly exchange: Exchange;
  readonly proofs: Pick<ProofPool, 'solve'>;
  readonly accounts: { readonly leases: Pick<Leases, 'lease' | 'visit' | 'visited'> };
  readonly fileLinks: FileLinks;
  readonly log: Pick<Log, 'warn'>;
}

export interface AppPorts {
  readonly ports: ChatPorts;
  readonly models: OwnModels;
  readonly sentinel: Sentinel;
  readonly localSearch: LocalSearch;
}

export function profileOf({ userAgent, authKey }: Config): ClientProfile {
  return { userAgent, authKey };
}

/** Everything that a chat needs of the world, as the spine wants it. */
export function createPorts(config: Config, seams: AppSeams, adapters: Adapters): AppPorts {
  const { exits, exchange, proofs, accounts, fileLinks, log } = adapters;
  const { lease, visit, visited } = accounts.leases;
  const profile = profileOf(config);
  const newId = randomUuid;
  const nowMs = (): number => performance.now();
  const origins = config.chatgptBaseUrls;
  const modelLists = createModelLists({ exchange, profile, origins, visit, visited, nowMs });
  const localSearch = createLocalSearch();
  const sentinel = createSentinel({
    searchHere: localSearch.search,
    converse: createUpstreamClient({ exits, profile, newId }).converse,
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
    ports: {
      lease: config.presolve === 0 ? lease : forgetting(lease, sentinel),
      clear,
      attach,
      converse,
      drawing,
      link,
    },
    models: modelLists.own,
    sentinel,
    localSearch,
  };
}

/** What was solved ahead for an account that upstream turns away will not be wanted soon. */
function forgetting(lease: ChatPorts['lease'], sentinel: Sentinel): ChatPorts['lease'] {
  return async (...ask) => {
    const taken = await lease(...ask);
    return {
      ...taken,
      release(failure) {
        if (failure?.fault === 'account') sentinel.forget(taken.session);
        taken.release(failure);
      },
    };
  };
}

function createOpenFile(config: Config, { allowAddress }: AppSeams): OpenAttachment {
  const { exportProxyUrl: proxyUrl, maxFileBytes: maxBytes, userAgent, connectTimeoutMs } = config;
  const fetchFile = createFetchFile({ proxyUrl, userAgent, maxBytes, connectTimeoutMs, allowAddress });
  return createFileSource({ fetchFile, maxBytes, spoolDirectory: tmpdir() });
}
