import { createPorts } from './app-ports.ts';
import type { Adapters } from './app-ports.ts';
import { createComplete } from './chat/complete.ts';
import type { Lease, TurnSink } from './chat/ports.ts';
import type { Config } from './config.ts';
import type { Turn } from './conversation/turn.ts';
import { createExchange } from './outbound/exchange.ts';
import { createExits } from './outbound/exits.ts';
import type { Exits } from './outbound/exits.ts';
import { createStage } from './rehearsal-stage.ts';
import type { Stage } from './rehearsal-stage.ts';
import { createFileLinks } from './upstream/file-links.ts';

const TIMEOUT_MS = 2_000;
/** After the first, functions are known; after some, they are compiled. */
const CHATS = 3;

const TURN: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Is anybody there?' }] }],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};

/**
 * Some chats through the spine with a backend of our own on loopback, before somebody waits: what a first
 * chat pays once (functions and the HTTP parser are compiled, sockets and caches made) is paid by then.
 * Nothing of it shows: it has its own ways out, no account, no line in the log, and nothing goes to the
 * real backend. Where loopback cannot be listened on, there is no rehearsal. Never rejects.
 */
export async function rehearse(config: Config, stage: Stage = createStage()): Promise<void> {
  const exits = createExits({ proxies: [], connectTimeoutMs: TIMEOUT_MS });
  try {
    await holdChats(config, exits, await stage.open());
  } catch {
    // The first chat will take longer.
  } finally {
    await exits.destroy();
    stage.close();
  }
}

async function holdChats(config: Config, exits: Exits, origin: string): Promise<void> {
  const session = {
    origin,
    identity: { token: null, accountId: null },
    account: null,
    deviceId: '00000000-0000-4000-8000-000000000000',
    exit: exits.pick(),
  };
  const lease: Lease = {
    session,
    hasOtherAccount: false,
    lastMessageId: null,
    keep: () => {},
    release: () => {},
  };
  const leases = { lease: async () => lease, visit: async () => null, visited: () => {} };
  const adapters: Adapters = {
    exits,
    exchange: createExchange(exits),
    // The stage asks for no proof: the threads have exercises of their own.
    proofs: { solve: () => Promise.reject(new Error('nobody asked')) },
    accounts: { leases },
    fileLinks: createFileLinks({ nowMs: Date.now }),
    log: { warn: () => {} },
  };
  const ownConfig = { ...config, chatgptBaseUrls: [origin], authKey: null, checkModel: false, presolve: 0 };
  const { ports, sentinel } = createPorts(ownConfig, {}, adapters);
  const complete = createComplete(ports, {
    retryTimes: 0,
    deadlines: { firstTokenMs: TIMEOUT_MS, idleMs: TIMEOUT_MS, totalMs: TIMEOUT_MS },
    random: Math.random,
  });
  const sink: TurnSink = {
    committed: false,
    satisfied: false,
    accepted: () => {},
    write: () => true,
    onDrain: () => {},
  };
  try {
    for (let chat = 0; chat < CHATS; chat += 1) {
      const trace = {
        startedAt: Date.now(),
        attempts: 0,
        leasedMs: null,
        clearedMs: null,
        openedMs: null,
        firstTextMs: null,
      };
      await complete(TURN, { kind: 'visitor' }, sink, new AbortController(), trace);
    }
  } finally {
    sentinel.close();
  }
}
