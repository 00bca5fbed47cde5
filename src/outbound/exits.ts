import { Pool } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import { ChatError } from '../errors.ts';
import { createDial } from './dial.ts';
import type { Dial } from './dial.ts';
import { toNetworkFailure } from './network-failure.ts';
import type { Progress } from './network-failure.ts';
import { parseProxy } from './proxy.ts';
import type { Proxy } from './proxy.ts';

export interface ExitsOptions {
  /** PROXY_URL; empty: straight out. */
  readonly proxies: readonly string[];
  readonly connectTimeoutMs: number;
}

export interface OutboundRequest {
  /** Scheme, host and port; a path behind them goes before `path`. */
  readonly origin: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Calls come in order: onHead, onBytes*, then onEnd or onFailure once; none before `send` returned. */
export interface ResponseReader {
  onHead(status: number, headers: ResponseHeaders): void;
  onBytes(chunk: Buffer): void;
  onEnd(): void;
  onFailure(error: ChatError): void;
}

/** All idempotent. After `abort` the reader hears nothing more and the socket is gone. */
export interface SendControl {
  pause(): void;
  resume(): void;
  abort(): void;
}

/** The ways out of this machine, each with its connections. */
export interface Exits {
  /** The name of the next way out, in turn. */
  pick(): string;
  /** Sends one request through `exit`. No deadline but CONNECT_TIMEOUT_MS: the caller has the others. */
  send(exit: string, request: OutboundRequest, reader: ResponseReader): SendControl;
  /** Waits for what is under way; `destroy` ends it. Both idempotent. */
  close(): Promise<void>;
  destroy(): Promise<void>;
}

/** The exit without a proxy, always there. */
export const DIRECT = 'direct';

/** Pools per exit and origin; the least recently used is closed beyond this. */
const MAX_POOLS = 256;
/** Each stream holds one. Far above MAX_INFLIGHT's default: admission limits streams, not this. */
const MAX_CONNECTIONS = 50_000;
/** Long enough for the next call of a busy proxy, short enough to be gone before most gateways hang up. */
const KEEP_ALIVE_MS = 15_000;
const MAX_HEADER_BYTES = 65_536;

/** Pool and dialler of one exit to one origin. */
interface Route {
  readonly pool: Pool;
  /** The path of a gateway that does not live at the root, without a slash at its end. */
  readonly prefix: string;
  /** Runs `dispatch`; connections that undici opens meanwhile end when `signal` fires. */
  dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    signal: AbortSignal,
  ): void;
}

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
  let turn = 0;
  let isEnding = false;

  /** An unknown name must not become the way without a proxy: that would show our own address. */
  function proxyOf(exit: string): Proxy | null {
    const proxy = byName.get(exit);
    if (proxy === undefined && exit !== DIRECT) throw new TypeError(`no exit is called ${exit}`);
    return proxy ?? null;
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
    const alive = [...routes.values()].filter(({ pool }) => !pool.destroyed);
    await Promise.all(alive.map(({ pool }) => pool[how]()));
  }

  return {
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
    close: () => end('close'),
    destroy: () => end('destroy'),
  };
}

function createRoute(base: string, dial: Dial): Route {
  const { origin, pathname } = new URL(base);
  let asking: AbortSignal | null = null;
  const connect: buildConnector.connector = ({ protocol, hostname, port }, callback) => {
    const target = { protocol, host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    dial(target, asking ?? new AbortController().signal).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
  const pool = new Pool(origin, {
    connect,
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    allowH2: false,
  });
  return {
    pool,
    prefix: pathname.replace(/\/+$/, ''),
    // With pipelining 1 undici opens a connection for the one request that it is given, and does so
    // before `dispatch` returns: what is opened now is this request's, and ends with it.
    dispatch(options, handler, signal) {
      asking = signal;
      try {
        pool.dispatch(options, handler);
      } finally {
        asking = null;
      }
    },
  };
}

function sendThrough(
  route: Route | null,
  request: OutboundRequest,
  reader: ResponseReader,
  label: string | null,
): SendControl {
  const dialling = new AbortController();
  let progress: Progress = 'dialling';
  let controller: Dispatcher.DispatchController | null = null;
  let isDone = false;
  let isPaused = false;

  const fail = (error: Error): void => {
    if (isDone) return;
    isDone = true;
    reader.onFailure(toNetworkFailure(error, progress, label));
  };
  const abort = (): void => {
    isDone = true;
    const reason = new ChatError('internal_error', 'The caller left.');
    dialling.abort(reason);
    controller?.abort(reason);
  };
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      progress = 'sent';
      if (isDone) started.abort(dialling.signal.reason as Error);
      else if (isPaused) started.pause();
    },
    onResponseStart(_, status, headers) {
      // 1xx announces an answer and is none.
      if (isDone || status < 200) return;
      progress = 'answering';
      reader.onHead(status, headers);
    },
    onResponseData(_, chunk) {
      if (!isDone) reader.onBytes(chunk);
    },
    onResponseEnd() {
      if (isDone) return;
      isDone = true;
      reader.onEnd();
    },
    onResponseError: (_, error) => fail(error),
  };

  const { method, path, headers, body } = request;
  // Later, so that the caller has the control in hand before the reader hears anything.
  queueMicrotask(() => {
    if (isDone) return;
    if (route === null) return fail(new ChatError('shutting_down', 'The proxy is shutting down.'));
    try {
      const options = { method, path: route.prefix + path, headers: { ...headers }, body };
      route.dispatch(options, handler, dialling.signal);
    } catch (error) {
      fail(error instanceof Error ? error : new Error('dispatch failed'));
    }
  });
  return {
    pause() {
      isPaused = true;
      controller?.pause();
    },
    resume() {
      isPaused = false;
      controller?.resume();
    },
    abort,
  };
}
