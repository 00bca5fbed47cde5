import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { createServer } from '../../src/http/server.ts';
import type { RequestRecord, Server, ServerOptions } from '../../src/http/server.ts';

export interface Served {
  readonly server: Server;
  readonly port: number;
  readonly records: RequestRecord[];
  readonly internalErrors: unknown[];
}

/** A listening edge with what it told its log; destroyed at teardown. */
export async function serve(t: Test, options: Partial<ServerOptions> = {}): Promise<Served> {
  const records: RequestRecord[] = [];
  const internalErrors: unknown[] = [];
  const server = createServer({
    host: '127.0.0.1',
    port: 0,
    prefix: '',
    routes: [],
    drainTimeoutMs: 5_000,
    unreadyReasons: () => [],
    readyFigures: () => ({}),
    onRequestEnd: (record) => void records.push(record),
    onInternalError: (_requestId, error) => void internalErrors.push(error),
    ...options,
  });
  t.teardown(() => server.destroy());
  const { port } = await server.listen();
  return { server, port, records, internalErrors };
}

/** A raw client that remembers all it received. */
export interface RawClient {
  readonly socket: Socket;
  text(): string;
  bytes(): number;
  readonly closed: Promise<void>;
}

export async function dial(t: Test, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  let bytes = 0;
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    bytes += chunk.byteLength;
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, closed, bytes: () => bytes, text: () => Buffer.concat(chunks).toString() };
}

export function get(path: string, ...headers: string[]): string {
  return `${['GET ' + path + ' HTTP/1.1', 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;
}

/** Polls until `check` is true; gives up after `timeoutMs`, leaving the assertion to say what is missing. */
export async function until(check: () => boolean, timeoutMs = 15_000): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!check() && Date.now() < deadline) await sleep(5);
  return check();
}
