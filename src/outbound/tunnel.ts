import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { orAborted } from '../or-aborted.ts';
import type { Proxy, ProxyCredentials } from './proxy.ts';

/** What the proxy did, in words that name neither its address nor its password. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
}

/** The far end of a tunnel: name or address without brackets. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

const MAX_HEAD_BYTES = 16_384;
const HEAD_END = '\r\n\r\n';
const SOCKS_VERSION = 5;
const NO_LOGIN = 0;
const PASSWORD_LOGIN = 2;
const LOGIN_VERSION = 1;
const CONNECT_COMMAND = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const SOCKS_FAILURES: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'time to live expired',
  7: 'command not supported',
  8: 'address type not supported',
};

/** Asks an HTTP proxy for a way to `target`; afterwards the socket talks to the target. */
export async function openConnectTunnel(socket: Socket, proxy: Proxy, target: TunnelTarget): Promise<void> {
  const authority =
    isIP(target.host) === 6 ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization(proxy)}\r\n`);
  const head = await readHead(socket);
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === undefined) throw new TunnelError('it does not speak HTTP');
  if (!status.startsWith('2')) throw new TunnelError(`it answered CONNECT with ${status}`);
}

function authorization({ credentials }: Proxy): string {
  if (credentials === null) return '';
  const pair = Buffer.from(`${credentials.user}:${credentials.password}`, 'utf8').toString('base64');
  return `proxy-authorization: Basic ${pair}\r\n`;
}

async function readHead(socket: Socket): Promise<string> {
  let head = '';
  while (!head.includes(HEAD_END)) {
    if (head.length > MAX_HEAD_BYTES) throw new TunnelError('its answer has no end');
    head += (await readSome(socket)).toString('latin1');
  }
  const end = head.indexOf(HEAD_END) + HEAD_END.length;
  if (end < head.length) socket.unshift(Buffer.from(head.slice(end), 'latin1'));
  return head.slice(0, end);
}

/** Asks a SOCKS 5 proxy for a way to `target` (RFC 1928, RFC 1929). */
export async function openSocksTunnel(
  socket: Socket,
  proxy: Proxy,
  target: TunnelTarget,
  signal: AbortSignal,
): Promise<void> {
  await logIn(socket, proxy.credentials);
  const address = encodeAddress(await toAddress(proxy, target.host, signal));
  const port = [target.port >> 8, target.port & 0xff];
  socket.write(Buffer.from([SOCKS_VERSION, CONNECT_COMMAND, 0, ...address, ...port]));
  const [version, reply = 0xff, , kind = 0] = await readExactly(socket, 4);
  if (version !== SOCKS_VERSION) throw new TunnelError('it does not speak SOCKS 5');
  if (reply !== 0) throw new TunnelError(`it answered: ${SOCKS_FAILURES[reply] ?? `failure ${reply}`}`);
  await readExactly(socket, (await boundAddressBytes(socket, kind)) + 2);
}

async function logIn(socket: Socket, credentials: ProxyCredentials | null): Promise<void> {
  const methods = credentials === null ? [NO_LOGIN] : [NO_LOGIN, PASSWORD_LOGIN];
  socket.write(Buffer.from([SOCKS_VERSION, methods.length, ...methods]));
  const [version, method] = await readExactly(socket, 2);
  if (version !== SOCKS_VERSION) throw new TunnelError('it does not speak SOCKS 5');
  if (method === NO_LOGIN) return;
  if (method !== PASSWORD_LOGIN || credentials === null)
    throw new TunnelError('it wants another kind of login');
  const user = Buffer.from(credentials.user).subarray(0, 255);
  const password = Buffer.from(credentials.password).subarray(0, 255);
  socket.write(Buffer.from([LOGIN_VERSION, user.length, ...user, password.length, ...password]));
  const [, verdict] = await readExactly(socket, 2);
  if (verdict !== 0) throw new TunnelError('it refused user and password');
}

/** As in other programs, `socks5h` leaves names to the proxy and `socks5` looks them up here. */
async function toAddress(proxy: Proxy, host: string, signal: AbortSignal): Promise<string> {
  if (proxy.protocol === 'socks5h' || isIP(host) !== 0) return host;
  const found = await orAborted(lookup(host, { all: true }).catch(unknownName), signal);
  // Most proxies have a way out by IPv4, not all by IPv6.
  return (found.find(({ family }) => family === 4) ?? found[0])?.address ?? unknownName();
}

function unknownName(): never {
  throw new TunnelError(
    'the name of the backend is not known here, and socks5:// leaves no names to a proxy',
  );
}

function encodeAddress(host: string): number[] {
  switch (isIP(host)) {
    case 4:
      return [IPV4, ...host.split('.').map(Number)];
    case 6:
      return [IPV6, ...encodeIpv6(host)];
    default: {
      const name = Buffer.from(host, 'latin1').subarray(0, 255);
      return [NAME, name.length, ...name];
    }
  }
}

function encodeIpv6(host: string): number[] {
  const [head = '', tail = ''] = host.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const gap = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: gap }, () => '0'), ...groups(tail)];
  return all.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

async function boundAddressBytes(socket: Socket, kind: number): Promise<number> {
  if (kind === IPV4) return 4;
  if (kind === IPV6) return 16;
  return (await readExactly(socket, 1))[0] ?? 0;
}

async function readExactly(socket: Socket, bytes: number): Promise<Buffer> {
  let got = Buffer.alloc(0);
  while (got.length < bytes) got = Buffer.concat([got, await readSome(socket)]);
  if (got.length > bytes) socket.unshift(got.subarray(bytes));
  return got.subarray(0, bytes);
}

/** The next bytes. Only pulls, so that what follows the handshake stays in the socket for its owner. */
function readSome(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      act();
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) settle(() => resolve(chunk));
    };
    const onEnd = (): void => settle(() => reject(new TunnelError('it closed the connection')));
    const onError = (error: Error): void => settle(() => reject(error));
    if (socket.destroyed || socket.readableEnded) return onEnd();
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
  });
}
