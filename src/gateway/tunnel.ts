import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { ChatError, toChatError } from '../errors.ts';
import { MAX_MESSAGE_BYTES } from '../http/client-socket.ts';
import type { AcceptSocket, ClientSocket } from '../http/client-socket.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Exits } from '../outbound/exits.ts';
import { toUpstreamHeaders } from './request-headers.ts';
import { toOwnHeaders } from './response-headers.ts';
import type { Visit } from './visit.ts';

export interface TunnelOptions {
  readonly dial: Exits['dial'];
  /** From the open connection to upstream's 101. */
  readonly handshakeMs: number;
}

/** What upstream says instead of 101 is passed on up to here. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/**
 * The native server cannot be told to read no more from a web socket: a client that sends so much more
 * than upstream takes is sent away.
 */
const MAX_WAITING_BYTES = MAX_MESSAGE_BYTES + 16 * 1024 * 1024;

const TRY_AGAIN_LATER = 1013;
const NO_CODE = 1005;
const NO_FAREWELL = 1006;

/** Opens a web socket upstream, then accepts the client's, and passes messages between them. */
export async function tunnel(
  request: RequestSnapshot,
  reply: Reply,
  accept: AcceptSocket,
  visit: Visit,
  { dial, handshakeMs }: TunnelOptions,
): Promise<void> {
  reply.onClose(() => visit.release('unused'));
  const url = toSocketUrl(visit);
  // Before there is a connection: its errors must find a listener at once.
  const { WebSocket } = await import('ws');
  const carrier = await dial(visit.way.exit, toDialTarget(url), reply.signal).catch((error: unknown) => {
    visit.release(toChatError(error));
    throw error;
  });
  visit.release(null);
  const upstream = new WebSocket(url, protocolsOf(request), {
    createConnection: () => carrier,
    headers: headersFor(request, visit),
    handshakeTimeout: handshakeMs,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  // Stays: an unheard 'error' would end the process.
  upstream.on('error', (error) => reply.fail(notOpened(error)));
  upstream.on('unexpected-response', (_, response) => void passRefusal(response, upstream, reply, visit));
  upstream.on('open', () => join(upstream, reply, accept));
  reply.onClose(() => {
    if (upstream.readyState === upstream.CONNECTING) upstream.terminate();
  });
}

function join(upstream: WebSocket, reply: Reply, accept: AcceptSocket): void {
  upstream.pause();
  const client = accept(upstream.protocol, {
    onMessage(message, isBinary) {
      if (upstream.readyState !== upstream.OPEN) return;
      upstream.send(message, { binary: isBinary });
      if (upstream.bufferedAmount <= MAX_WAITING_BYTES) return;
      client?.end(TRY_AGAIN_LATER, '');
    },
    onDrain: () => upstream.resume(),
    onClose: (code, reason) => closeUpstream(upstream, code, reason),
  });
  if (client === null || reply.status !== 101) return upstream.terminate();
  upstream.on('message', (message, isBinary) => {
    if (!client.send(toBytes(message), isBinary)) upstream.pause();
  });
  upstream.on('close', (code, reason) => closeClient(client, code, reason));
  upstream.resume();
}

function closeClient(client: ClientSocket, code: number, reason: Buffer): void {
  if (code === NO_FAREWELL) client.cut();
  else client.end(code === NO_CODE ? null : code, reason.toString());
}

function closeUpstream(upstream: WebSocket, code: number, reason: Buffer): void {
  // What was paused for a client that left would never hear upstream's farewell.
  upstream.resume();
  if (code === NO_FAREWELL) upstream.terminate();
  else if (code === NO_CODE || code === 0) upstream.close();
  else closeWith(upstream, code, reason);
}

/** Codes that no endpoint may send are the client's mistake, and stay here. */
function closeWith(upstream: WebSocket, code: number, reason: Buffer): void {
  try {
    upstream.close(code, reason);
  } catch {
    upstream.close();
  }
}

async function passRefusal(
  response: IncomingMessage,
  upstream: WebSocket,
  reply: Reply,
  visit: Visit,
): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_REFUSAL_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    // Cut off: what came of it is passed on.
  }
  upstream.terminate();
  if (reply.started) return;
  const { own, hosts, rewriter, basePath, context } = visit;
  const { privateCookies } = context;
  reply.relays();
  const headers = { ...response.headers } as Readonly<Record<string, string | string[] | undefined>>;
  reply.send(
    response.statusCode ?? 502,
    Buffer.concat(chunks),
    toOwnHeaders(headers, { own, hosts, rewriter, basePath, privateCookies, isRewritten: false }),
  );
}

function headersFor(request: RequestSnapshot, { context }: Visit): Record<string, string> {
  const headers = toUpstreamHeaders(request, context, false);
  delete headers['accept-encoding'];
  return headers;
}

function protocolsOf(request: RequestSnapshot): string[] {
  const offered = request.header('sec-websocket-protocol') ?? '';
  return offered
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function toSocketUrl({ upstream, basePath, target }: Visit): string {
  const { protocol, host } = new URL(upstream);
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${basePath}${target}`;
}

function toDialTarget(url: string): { protocol: string; host: string; port: number } {
  const { protocol, hostname, port } = new URL(url);
  const isSecure = protocol === 'wss:';
  return {
    protocol: isSecure ? 'https:' : 'http:',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (isSecure ? 443 : 80),
  };
}

function toBytes(message: Buffer | ArrayBuffer | Buffer[]): Uint8Array {
  if (Array.isArray(message)) return Buffer.concat(message);
  return message instanceof ArrayBuffer ? new Uint8Array(message) : message;
}

function notOpened(cause: Error): ChatError {
  return new ChatError('upstream_unreachable', 'The web site did not open the web socket.', { cause });
}
