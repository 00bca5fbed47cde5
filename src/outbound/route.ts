import { Pool } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import type { Dial } from './dial.ts';

/** Each stream holds one. Far above MAX_INFLIGHT's default: admission limits streams, not this. */
const MAX_CONNECTIONS = 50_000;
/** Long enough for the next call of a busy proxy, short enough to be gone before most gateways hang up. */
const KEEP_ALIVE_MS = 15_000;
const MAX_HEADER_BYTES = 65_536;

/** Pool and dialler of one exit to one origin. */
export interface Route {
  readonly pool: Pool;
  /** The path of a gateway that does not live at the root, without a slash at its end. */
  readonly prefix: string;
  /** Runs `dispatch`; connections that undici opens meanwhile end when `signal` fires. */
  dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    signal: AbortSignal,
  ): void;
  /** A request is about to be aborted in the middle, and its connection with it. */
  abandon(): void;
}

export function createRoute(base: string, dial: Dial): Route {
  const { origin, pathname } = new URL(base);
  let asking: AbortSignal | null = null;
  const askingSoon: AbortSignal[] = [];
  let abandoned = 0;
  const connect: buildConnector.connector = ({ protocol, hostname, port }, callback) => {
    const signal = asking ?? askingSoon.shift();
    if (signal === undefined && abandoned > 0) {
      abandoned -= 1;
      callback(new Error('nobody asks any more'), null);
      return;
    }
    const target = { protocol, host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    dial(target, signal ?? new AbortController().signal).then(
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
    // before `dispatch` returns, or in a microtask when the body is no text: what is opened now is this
    // request's, and ends with it.
    dispatch(options, handler, signal) {
      asking = signal;
      try {
        pool.dispatch(options, handler);
      } finally {
        asking = null;
      }
      if (typeof (options.body ?? '') === 'string') return;
      askingSoon.push(signal);
      queueMicrotask(() => {
        const at = askingSoon.indexOf(signal);
        if (at >= 0) askingSoon.splice(at, 1);
      });
    },
    // When a connection ends under an aborted request, undici opens another one for it, only to find
    // that it is not wanted.
    abandon() {
      abandoned += 1;
    },
  };
}
