import { connect as connectTcp, isIP, isIPv4 } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { openConnectTunnel, openSocksTunnel } from './tunnel.ts';
import type { Proxy } from './proxy.ts';

export interface DialTarget {
  readonly protocol: string;
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Where a connection failed: on the way to the proxy, in the proxy's hands, behind it, or in time. */
export type DialStage = 'proxy' | 'tunnel' | 'backend' | 'timeout';

export class DialError extends Error {
  override readonly name = 'DialError';
  readonly stage: DialStage;

  constructor(stage: DialStage, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.stage = stage;
  }
}

export interface DialOptions {
  readonly proxy: Proxy | null;
  /** For everything up to a usable connection: lookup, TCP, the proxy's handshake, TLS. */
  readonly timeoutMs: number;
  /** Where the target's name leads, looked up and checked already; null: not yet. */
  readonly addresses?: readonly string[] | null;
}

type Sessions = Map<string, Buffer>;

/** Opens connections; remembers TLS sessions per host, so that later handshakes are short. */
export type Dial = (target: DialTarget, signal: AbortSignal) => Promise<Socket>;

/**
 * Own dialling rather than undici's agents for proxies: one deadline spans all steps, a caller who
 * leaves takes the half-open socket along, and a failure tells at which step it happened.
 */
export function createDial({ proxy, timeoutMs, addresses = null }: DialOptions): Dial {
  const sessions: Sessions = new Map();
  const way = { proxy, addresses };
  return async (target, signal) => {
    const deadline = new AbortController();
    const timedOut = new DialError('timeout', `no connection within ${timeoutMs} ms`);
    const timer = setTimeout(() => deadline.abort(timedOut), timeoutMs);
    const onAbort = (): void => deadline.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await open(target, way, sessions, deadline.signal);
    } catch (error) {
      throw deadline.signal.aborted ? deadline.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  };
}

interface Way {
  readonly proxy: Proxy | null;
  readonly addresses: readonly string[] | null;
}

async function open(
  target: DialTarget,
  { proxy, addresses }: Way,
  sessions: Sessions,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  if (proxy === null) {
    const direct = await staged('backend', openTcp(target.host, target.port, signal, addresses));
    return secure(direct, target, sessions, signal);
  }
  const first = await staged('proxy', openTcp(proxy.host, proxy.port, signal));
  const carrier = await staged('proxy', secureProxy(first, proxy, sessions, signal));
  const isSocks = proxy.protocol === 'socks5' || proxy.protocol === 'socks5h';
  const tunnel = isSocks ? openSocksTunnel : openConnectTunnel;
  // Most proxies have a way out by IPv4, not all by IPv6.
  const host = addresses?.find(isIPv4) ?? addresses?.[0] ?? target.host;
  await staged('tunnel', guarded(carrier, signal, tunnel(carrier, proxy, { ...target, host })));
  return secure(carrier, target, sessions, signal);
}

async function staged<T>(stage: DialStage, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw new DialError(stage, error instanceof Error ? error.message : 'failed', error);
  }
}

function openTcp(
  host: string,
  port: number,
  signal: AbortSignal,
  addresses: readonly string[] | null = null,
): Promise<Socket> {
  const socket = connectTcp({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    ...(addresses === null ? {} : { lookup: known(addresses) }),
  });
  return guarded(socket, signal, opened(socket, 'connect'));
}

/** No second lookup: a name may lead elsewhere the next time that it is asked for. */
function known(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    const [first] = all;
    if (options.all === true) callback(null, all);
    else callback(null, first?.address ?? '', first?.family ?? 0);
  };
}

async function secureProxy(
  socket: Socket,
  proxy: Proxy,
  sessions: Sessions,
  signal: AbortSignal,
): Promise<Socket> {
  return proxy.protocol === 'https' ? openTls(socket, proxy.host, sessions, signal) : socket;
}

async function secure(
  socket: Socket,
  target: DialTarget,
  sessions: Sessions,
  signal: AbortSignal,
): Promise<Socket> {
  if (target.protocol !== 'https:') return socket;
  return staged('backend', openTls(socket, target.host, sessions, signal));
}

function openTls(under: Socket, host: string, sessions: Sessions, signal: AbortSignal): Promise<Socket> {
  const session = sessions.get(host);
  const socket = connectTls({
    socket: under,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: ['http/1.1'],
    ...(session === undefined ? {} : { session }),
  });
  socket.on('session', (next) => sessions.set(host, next));
  return guarded(socket, signal, opened(socket, 'secureConnect'));
}

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}

/** Ends the socket when the step fails or the signal fires, which makes the step fail. */
async function guarded<T>(socket: Socket, signal: AbortSignal, step: Promise<T>): Promise<T> {
  // Between two steps nobody else listens, and an unheard 'error' would end the process.
  socket.on('error', () => {});
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await step;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
