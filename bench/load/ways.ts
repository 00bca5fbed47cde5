import { startChild } from './child.ts';
import type { RunningPeer } from '../peers/peer.ts';
import type { Target } from './protocol.ts';

/** A way from the client to the stand-in upstream: a proxy of some kind, or none. */
export interface Way {
  readonly name: string;
  /** How the upstream streams to it; what it passes on is read accordingly. */
  readonly encoding: 'v1' | 'legacy';
  readonly isOpenai: boolean;
  readonly ask: {
    readonly path: string;
    readonly body: object;
    readonly headers: Readonly<Record<string, string>>;
  };
  start(origin: string, core: number | null): Promise<RunningPeer>;
}

const CHAT = {
  path: '/v1/chat/completions',
  headers: {},
  body: {
    model: 'gpt-4o-mini',
    stream: true,
    messages: [{ role: 'user', content: 'Say something long about proxies.' }],
  },
};

/** This program, as `npm start` runs it. */
export function chat2api(encoding: 'v1' | 'legacy'): Way {
  return { name: `chat2api, ${encoding}`, encoding, isOpenai: true, ask: CHAT, start: startChat2api };
}

/** No proxy at all. */
export function direct(upstreamPid: number): Way {
  return {
    name: 'direct',
    encoding: 'v1',
    isOpenai: false,
    ask: { path: '/backend-anon/conversation', headers: {}, body: {} },
    start: async (origin) => ({
      port: Number(new URL(origin).port),
      pids: () => [upstreamPid],
      stop: async () => {},
    }),
  };
}

export function toTarget({ ask, isOpenai, encoding }: Way, port: number): Target {
  const dialect = isOpenai ? 'openai' : encoding;
  return { port, path: ask.path, headers: ask.headers, body: JSON.stringify(ask.body), dialect };
}

async function startChat2api(origin: string, core: number | null): Promise<RunningPeer> {
  const env = { PORT: '0', HOST: '127.0.0.1', CHATGPT_BASE_URL: origin };
  const child = await startChild('../../src/main.js', env, core);
  return { port: child.port, pids: () => [child.pid], stop: async () => child.stop() };
}
