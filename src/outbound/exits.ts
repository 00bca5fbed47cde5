import type { Socket } from 'node:net';
import { ChatError } from '../errors.ts';
import type { DialTarget } from './dial.ts';
import { createLane } from './lane.ts';
import type { ExitStats, Lane } from './lane.ts';
import { toNetworkFailure } from './network-failure.ts';
import { parseProxy } from './proxy.ts';
import type { Proxy } from './proxy.ts';
import { createRouteCache } from './route-cache.ts';
import { createRoute } from './route.ts';
import { sendThrough } from './send.ts';
import type { OutboundRequest, ResponseReader, SendControl } from './send.ts';

export interface ExitsOptions {
  /** PROXY_URL; empty: straight out. */
  readonly proxies: readonly string[];
  readonly connectTimeoutMs: number;
  /** PEM of the authorities to trust instead of those that Node.js knows. */
  readonly ca?: readonly string[];
  /** After so long without a request to an origin all that is kept for it goes. */
  readonly routeIdleMs?: number;
}

/** The ways out of this machine, each with its connections. */
export interface Exits {
  /** The ways out in the order of PROXY_URL; `direct` alone when there are no proxies. */
  readonly names: readonly string[];
  /** Requests whose answer is not complete, those without a connection yet among them. */
  readonly inFlight: number;
  /** One entry for each exit that has a name or was used. */
  stats(): readonly ExitStats[];
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

const ROUTE_IDLE_MS = 300_000;

export function createExits(options: ExitsOptions): Exits {
  const { connectTimeoutMs, ca = null, routeIdleMs = ROUTE_IDLE_MS } = options;
  const proxies = parseProxies(options.proxies);
  const names = proxies.size === 0 ? [DIRECT] : [...proxies.keys()];
  const routes = createRouteCache({ idleMs: routeIdleMs, nowMs: () => performance.now() });
  const sweeping = setInterval(() => routes.sweep(), routeIdleMs / 4).unref();
  const lanes = new Map<string, Lane>();
  for (const name of names) laneOf(name);
  let turn = 0;
  let isEnding = false;

  function laneOf(exit: string): Lane {
    const proxy = proxies.get(exit) ?? null;
    // An unknown name must not become the way without a proxy: that would show our own address.
    if (proxy === null && exit !== DIRECT) throw new TypeError(`no exit is called ${exit}`);
    const lane = lanes.get(exit) ?? createLane(exit, { proxy, timeoutMs: connectTimeoutMs, ca });
    lanes.set(exit, lane);
    return lane;
  }

  async function dial(exit: string, target: DialTarget, signal: AbortSignal): Promise<Socket> {
    try {
      const socket = await laneOf(exit).dial(target, signal);
      if (isEnding) socket.destroy();
      if (isEnding) throw new ChatError('shutting_down', 'The proxy is shutting down.');
      return socket;
    } catch (error) {
      if (signal.aborted || !(error instanceof Error)) throw error;
      throw toNetworkFailure(error, 'dialling', proxies.get(exit)?.label ?? null);
    }
  }

  async function end(how: 'close' | 'destroy'): Promise<void> {
    isEnding = true;
    clearInterval(sweeping);
    await Promise.all(routes.all.map((route) => route[how]()));
    if (how === 'destroy') for (const lane of lanes.values()) lane.destroy();
  }

  return {
    names,
    get inFlight() {
      return routes.all.reduce((sum, { running }) => sum + running, 0);
    },
    stats: () => [...lanes.values()].map((lane) => lane.stats()),
    pick() {
      const name = names[turn % names.length] ?? DIRECT;
      turn += 1;
      return name;
    },
    send(exit, request, reader) {
      const label = proxies.get(exit)?.label ?? null;
      if (isEnding) return sendThrough(null, request, reader, label);
      const { origin } = request;
      const route = routes.get(exit, origin, () => {
        const lane = laneOf(exit);
        return createRoute(origin, lane.dial, lane.traffic);
      });
      return sendThrough(route, request, reader, label);
    },
    dial,
    close: () => end('close'),
    destroy: () => end('destroy'),
  };
}

function parseProxies(texts: readonly string[]): ReadonlyMap<string, Proxy> {
  const entries = texts.map((text, index): [string, Proxy] => {
    const label = `outbound proxy ${index + 1}`;
    const proxy = parseProxy(text, label);
    if (proxy === null) throw new TypeError(`PROXY_URL: entry ${index + 1} is no proxy URL`);
    return [label, proxy];
  });
  return new Map(entries);
}
