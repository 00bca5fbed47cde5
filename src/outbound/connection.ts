import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';
import type { Dial } from './dial.ts';
import type { Scope } from './scope.ts';
import { readStraight } from './straight-reads.ts';
import { Client } from './undici.ts';

/**
 * A connection to an origin, opened when it is first wanted, for one request at a time. When it was
 * lost while nothing was under way, the next request opens it anew.
 */
export interface Connection {
  readonly isOpen: boolean;
  /** How many answers it has brought. */
  readonly answers: number;
  /** How much the server has said on it, TLS taken off. */
  readonly bytesRead: number;
  /** Only for a free connection; when `scope` ends before the connection stands, it is given up. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, scope: Scope): void;
  destroy(): Promise<void>;
}

export interface ConnectionOwner {
  /** The request is over; the connection may be gone with it. */
  onFree(): void;
  /** Lost while it was free. */
  onLost(): void;
}

const MAX_HEADER_BYTES = 65_536;
/** Long enough for the next call of a busy proxy, short enough to be gone before most gateways hang up. */
const KEEP_ALIVE_MS = 15_000;
/** A server that announces when it will hang up is left so much earlier. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

export function createConnection(origin: string, dial: Dial, owner: ConnectionOwner): Connection {
  let socket: Socket | null = null;
  let answers = 0;
  let wanted: Scope | null = null;

  const connect: buildConnector.connector = ({ protocol, hostname, port }, callback) => {
    // Undici opens anew what broke under a request that was given up.
    if (wanted === null || wanted.isOver) {
      callback(new Error('nobody asks any more'), null);
      return;
    }
    const target = { protocol, host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    dial(target, wanted.signal).then(
      (opened) => {
        socket = opened;
        answers = 0;
        readStraight(opened);
        callback(null, opened);
      },
      (error: Error) => callback(error, null),
    );
  };
  const client = new Client(origin, {
    connect,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    allowH2: false,
  });
  const onFree = (): void => {
    if (wanted === null || client.stats.size > 0) return;
    wanted = null;
    answers += 1;
    owner.onFree();
  };
  // The client says "drain" when it could take a request, however the last one ended; of a request that
  // was given up it says no more than that it cannot connect.
  client.on('drain', onFree).on('connectionError', onFree);
  client.on('disconnect', () => {
    if (wanted === null) owner.onLost();
  });
  return {
    get isOpen() {
      return socket !== null && !socket.destroyed;
    },
    get answers() {
      return answers;
    },
    get bytesRead() {
      return socket?.bytesRead ?? 0;
    },
    dispatch(options, handler, scope) {
      wanted = scope;
      client.dispatch(options, handler);
      // What cannot be sent is refused at once, and nothing drains.
      if (scope.isOver) onFree();
    },
    destroy: () => client.destroy(),
  };
}
