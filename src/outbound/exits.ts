import type { Socket } from 'node:net';
import { ChatError } from '../errors.ts';
import { createDial } from './dial.ts';
import type { Dial, DialTarget } from './dial.ts';
import { toNetworkFailure } from './network-failure.ts';
import { parseProxy } from './proxy.ts';
import type { Proxy } from './proxy.ts';
import { createRoute } from './route.ts';
import type { Route } from './route.ts';
import { sendThrough } from './send.ts';
import type { OutboundRequest, ResponseReader, SendControl } from './send.ts';

export interface ExitsOptions {
  /** PROXY_URL; empty: straight out. */
  readonly proxies: readonly string[];
  readonly connectTimeoutMs: number;
}

/** The ways out of this machine, each with its connections. */
export interface Exits {
  /** Requests whose answer is not complete, those without a connection yet among them. */
  readonly inFlight: number;
  /** The name of the next way out, in turn. */
  pick(): string;
  /** Sends one request through `exit`. No deadline but CONNECT_TIMEOUT_MS: the caller has the others. */
  send(exit: string, request: OutboundRequest, reader: ResponseReader): SendControl;
  /** A bare connection through `exit`, with TLS for `https:`. Rejects with a ChatError or the signal's reason. */
  dial(exit: string, target: DialTarget, signal: AbortSignal): Promise<Socket>;
  /** Waits for what is under way; `destroy` ends it. Both idempotent. */
  close(): Promise<void>;
  destroy(): Promise<void>;
}

/** The exit without a proxy, always there. */
export const DIRECT = 'direct';

/** Pools per exit and origin; the least recently used is closed beyond this. */
const MAX_POOLS = 256;

export function createExits({ proxies, connectTimeoutMs }: ExitsOptions): Exits {
  const byName = new Map<string, Proxy>();
  for (const [index, text] of proxies.entries()) {
    const label = `outbound proxy ${index + 1}`;
    const proxy = parseProxy(text, label);
    if (proxy === null) throw new TypeError(`PROXY_URL: entry ${index + 1} is no proxy URL`);
    byName.set(label, proxy);
  }
  const names = byName.size === 0 ? [DIRECT] : [...byName.keys()];
  const routes = new Map<string, Route>();
  const dials = new Map<string, Dial>();
  const dialled = new Set<Socket>();
  let turn = 0;
  let isEnding = false;

  /** An unknown name must not become the way without a proxy: that would show our own address. */
  function proxyOf(exit: string): Proxy | null {
    const proxy = byName.get(exit);
    if (proxy === undefined && exit !== DIRECT) throw new TypeError(`no exit is called ${exit}`);
    return proxy ?? null;
  }

  function dialOf(exit: string): Dial {
    const dial = dials.get(exit) ?? createDial({ proxy: proxyOf(exit), timeoutMs: connectTimeoutMs });
    dials.set(exit, dial);
    return dial;
  }

  async function dial(exit: string, target: DialTarget, signal: AbortSignal): Promise<Socket> {
    try {
      const socket = await dialOf(exit)(target, signal);
      dialled.add(socket);
      socket.once('close', () => dialled.delete(socket));
      if (isEnding) socket.destroy();
      if (isEnding) throw new ChatError('shutting_down', 'The proxy is shutting down.');
      return socket;
    } catch (error) {
      if (signal.aborted || !(error instanceof Error)) throw error;
      throw toNetworkFailure(error, 'dialling', byName.get(exit)?.label ?? null);
    }
  }

  function routeTo(exit: string, origin: string): Route {
    const key = `${exit} ${origin}`;
    const known = routes.get(key);
    const dialOptions = { proxy: proxyOf(exit), timeoutMs: connectTimeoutMs };
    const route = known ?? createRoute(origin, createDial(dialOptions));
    routes.delete(key);
    routes.set(key, route);
    if (known === undefined) evictOldest();
    return route;
  }

  function evictOldest(): void {
    const [oldest] = routes;
    if (routes.size <= MAX_POOLS || oldest === undefined) return;
    routes.delete(oldest[0]);
    void oldest[1].pool.close();
  }

  async function end(how: 'close' | 'destroy'): Promise<void> {
    isEnding = true;
    if (how === 'destroy') for (const socket of dialled) socket.destroy();
    const alive = [...routes.values()].filter(({ pool }) => !pool.destroyed);
    await Promise.all(alive.map(({ pool }) => pool[how]()));
  }

  return {
    get inFlight() {
      return [...routes.values()].reduce((sum, { pool }) => sum + pool.stats.size, 0);
    },
    pick() {
      const name = names[turn % names.length] ?? DIRECT;
      turn += 1;
      return name;
    },
    send(exit, request, reader) {
      const label = byName.get(exit)?.label ?? null;
      if (isEnding) return sendThrough(null, request, reader, label);
      return sendThrough(routeTo(exit, request.origin), request, reader, label);
    },
    dial,
    close: () => end('close'),
    destroy: () => end('destroy'),
  };
}
