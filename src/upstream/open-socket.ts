import type { WebSocket } from 'ws';
import { ChatError, toChatError } from '../errors.ts';
import type { Exits } from '../outbound/exits.ts';
import type { Headers } from './headers.ts';

const SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1';
/** From the open connection to the server's 101. Dialling before it has CONNECT_TIMEOUT_MS. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** One frame holds one message so far, in base64; the decoder behind takes events of 8 MiB. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;

export interface SocketAddress {
  /** `ws:` or `wss:`. Carries an access token: never shown. */
  readonly url: string;
  readonly exit: string;
  readonly headers: Headers;
}

/** Resolves with a socket that is open and paused: whoever gets it listens first, then resumes it. */
export type OpenSocket = (address: SocketAddress, signal: AbortSignal) => Promise<WebSocket>;

/** Rejects with a ChatError, also when `signal` fires; then nothing stays open. */
export function createOpenSocket(exits: Pick<Exits, 'dial'>): OpenSocket {
  return async ({ url, exit, headers }, signal) => {
    // Before there is a connection: its errors must find a listener at once.
    const { WebSocket } = await import('ws');
    const carrier = await exits.dial(exit, toTarget(url), signal);
    const socket = new WebSocket(url, SUBPROTOCOL, {
      createConnection: () => carrier,
      headers: { ...headers },
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
    });
    // Stays: an unheard 'error' would end the process.
    socket.on('error', () => {});
    return opened(socket, signal);
  };
}

function toTarget(url: string): { protocol: string; host: string; port: number } {
  const { protocol, hostname, port } = new URL(url);
  const isSecure = protocol === 'wss:';
  return {
    protocol: isSecure ? 'https:' : 'http:',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (isSecure ? 443 : 80),
  };
}

function opened(socket: WebSocket, signal: AbortSignal): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('open', onOpen).off('error', onError).off('unexpected-response', onRefusal);
      act();
    };
    const onOpen = (): void => {
      socket.pause();
      settle(() => resolve(socket));
    };
    const onError = (error: Error): void => settle(() => reject(notOpened('failed', error)));
    const onRefusal = (_: unknown, { statusCode = 0 }: { statusCode?: number }): void => {
      settle(() => reject(notOpened(`was answered with ${statusCode}`)));
      socket.terminate();
    };
    const onAbort = (): void => {
      settle(() => reject(toChatError(signal.reason)));
      socket.terminate();
    };
    socket.on('open', onOpen).on('error', onError).on('unexpected-response', onRefusal);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function notOpened(how: string, cause?: Error): ChatError {
  return new ChatError(
    'upstream_unreachable',
    `The web socket over which the backend answers could not be opened: the handshake ${how}.`,
    { retryable: true, cause },
  );
}
