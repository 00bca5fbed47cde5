import { connect as connectTcp, isIP, isIPv4 } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { guarded, opened } from './guarded.ts';
import { createTrust, openTls } from './trust.ts';
import type { Trust } from './trust.ts';
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
  /** PEM of the authorities to trust instead of those that Node.js knows; null: those. */
  readonly ca?: readonly string[] | null;
}

/** Opens connections; remembers TLS sessions per server, so that later handshakes are short. */
export type Dial = (target: DialTarget, signal: AbortSignal) => Promise<Socket>;

/**
 * Own dialling rather than undici's agents for proxies: one deadline spans all steps, a caller who
 * leaves takes the half-open socket along, and a failure tells at which step it happened.
 */
export function createDial({ proxy, timeoutMs, addresses = null, ca = null }: DialOptions): Dial {
  const way = { proxy, addresses, trust: createTrust(ca) };
  return async (target, signal) => {
    const deadline = new AbortController();
    const timedOut = new DialError('timeout', `no connection within ${timeoutMs} ms`);
    const timer = setTimeout(() => deadline.abort(timedOut), timeoutMs);
    const onAbort = (): void => deadline.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await open(target, way, deadline.signal);
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
  readonly trust: Trust;
}

async function open(
  target: DialTarget,
  { proxy, addresses, trust }: Way,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  if (proxy === null) {
    const direct = await staged('backend', openTcp(target.host, target.port, signal, addresses));
    return secure(direct, target, trust, signal);
  }
  const first = await staged('proxy', openTcp(proxy.host, proxy.port, signal));
  const isSecure = proxy.protocol === 'https';
  const toProxy = isSecure ? await staged('proxy', openTls(first, proxy, trust, signal)) : first;
  const isSocks = proxy.protocol === 'socks5' || proxy.protocol === 'socks5h';
  const tunnel = isSocks ? openSocksTunnel : openConnectTunnel;
  // Most proxies have a way out by IPv4, not all by IPv6.
  const host = addresses?.find(isIPv4) ?? addresses?.[0] ?? target.host;
  await staged('tunnel', guarded(toProxy, signal, tunnel(toProxy, proxy, { ...target, host }, signal)));
  return secure(toProxy, target, trust, signal);
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
    autoSelectFamily: true,
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

async function secure(
  socket: Socket,
  target: DialTarget,
  trust: Trust,
  signal: AbortSignal,
): Promise<Socket> {
  if (target.protocol !== 'https:') return socket;
  return staged('backend', openTls(socket, target, trust, signal));
}
