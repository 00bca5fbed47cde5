import { nodeUnderLoad } from '../_util/node-under-load.ts';
import type { Peer, RunningPeer } from '../peers/peer.ts';
import { peers } from '../peers/peers.ts';
import { startChild } from './child.ts';
import type { Dialect, Target } from './protocol.ts';

export type Encoding = 'v1' | 'legacy';

/** A way from the client to the stand-in upstream: a proxy of some kind, or none. */
export interface Way {
  readonly name: string;
  readonly role: 'direct' | 'floor' | 'shape' | 'ours' | 'one call' | 'original' | 'other';
  /** How the backend streams to it; null: it is not the backend that it asks. */
  readonly encoding: Encoding | null;
  readonly ask: Peer['ask'];
  /** Infinity: as many as there are. */
  readonly mostRuns: number;
  readonly start: Peer['start'];
}

const PASSED_ON = '/backend-anon/conversation';
const CHAT: Peer['ask'] = {
  path: '/v1/chat/completions',
  headers: {},
  body: {
    model: 'gpt-4o-mini',
    stream: true,
    messages: [{ role: 'user', content: 'Say something long about proxies.' }],
  },
};

/** All of them, the upstream's own ceiling, the floor and the least of our shape first. */
export function allWays(upstreamPid: number): readonly Way[] {
  const others = peers().map(toWay);
  const isFloor = ({ role }: Way): boolean => role === 'floor';
  return [
    direct(upstreamPid),
    ...others.filter(isFloor),
    BARE,
    chat2api('v1'),
    chat2api('legacy'),
    ONE_CALL,
    ...others.filter((way) => !isFloor(way)),
  ];
}

export function toTarget({ ask, encoding }: Way, port: number): Target {
  const dialect: Dialect = ask.path === PASSED_ON ? (encoding ?? 'v1') : 'openai';
  return { port, path: ask.path, headers: ask.headers, body: JSON.stringify(ask.body), dialect };
}

/** The original program reads whole messages only. */
function toWay(peer: Peer): Way {
  const role = roleOf(peer);
  return {
    name: peer.name,
    role,
    encoding: role === 'other' ? null : role === 'floor' ? 'v1' : 'legacy',
    mostRuns: peer.mostRuns ?? Infinity,
    // How some are asked is known once they have been started.
    get ask() {
      return peer.ask;
    },
    start: (origin, core) => peer.start(origin, core),
  };
}

function roleOf(peer: Peer): Way['role'] {
  if (peer.upstream === 'openai') return 'other';
  return peer.ask.path === PASSED_ON ? 'floor' : 'original';
}

/** No proxy at all: what is measured is the stand-in itself. */
function direct(upstreamPid: number): Way {
  const start: Peer['start'] = async (origin) => ({
    port: Number(new URL(origin).port),
    pids: () => [upstreamPid],
    stop: async () => {},
  });
  return {
    name: 'direct',
    role: 'direct',
    encoding: 'v1',
    ask: { path: PASSED_ON, headers: {}, body: {} },
    mostRuns: Infinity,
    start,
  };
}

/** What no program can save that has uWebSockets.js before it and undici behind: it reads nothing of a stream. */
const BARE: Way = {
  name: 'bare prototype',
  role: 'shape',
  encoding: 'v1',
  ask: { ...CHAT, path: PASSED_ON },
  mostRuns: Infinity,
  start: (origin, core) => startOurs('./bare-proxy.js', { CHATGPT_BASE_URL: origin }, core),
};

/** With one call per chat, as gateways make that have no requirements to ask for. */
const ONE_CALL: Way = {
  ...chat2api('v1', { CONVERSATION_ONLY: 'true' }),
  name: 'chat2api, CONVERSATION_ONLY',
  role: 'one call',
};

/** This program, as `npm start` runs it. */
export function chat2api(encoding: Encoding, settings: NodeJS.ProcessEnv = {}): Way {
  const start: Peer['start'] = (origin, core) =>
    startOurs(
      '../../src/main.js',
      { PORT: '0', HOST: '127.0.0.1', CHATGPT_BASE_URL: origin, ...settings },
      core,
    );
  return { name: `chat2api, ${encoding}`, role: 'ours', encoding, ask: CHAT, mostRuns: Infinity, start };
}

async function startOurs(program: string, env: NodeJS.ProcessEnv, core: number | null): Promise<RunningPeer> {
  const child = await startChild(program, env, { core, node: nodeUnderLoad.path });
  return { port: child.port, pids: () => [child.pid], stop: async () => child.stop() };
}
