import { Client, Pool } from 'undici';
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
  /**
   * Runs `dispatch`; connections that undici opens for the request end when `signal` fires. The
   * returned function must be called once the request is over, and before it is aborted.
   */
  dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    signal: AbortSignal,
  ): () => void;
}

/** A request that wants the connection of its client. */
interface Claim {
  readonly signal: AbortSignal;
  claims: Set<Claim> | null;
}

export function createRoute(base: string, dial: Dial): Route {
  const { origin, pathname } = new URL(base);
  let asking: Claim | null = null;

  /**
   * One connection of the pool, which knows who wants it: a connection that ends under an aborted
   * request is opened anew by undici, only to find that nobody wants it. Then it is not.
   */
  class ClaimedClient extends Client {
    readonly #claims: Set<Claim>;

    constructor(url: URL, options: Client.Options) {
      const claims = new Set<Claim>();
      super(url, { ...options, connect: connectorFor(claims, dial) });
      this.#claims = claims;
    }

    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      if (asking !== null) {
        asking.claims = this.#claims;
        this.#claims.add(asking);
      }
      return super.dispatch(options, handler);
    }
  }

  const pool = new Pool(origin, {
    factory: (url, options) => new ClaimedClient(url, options as Client.Options),
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
    // The pool hands the request to one of its clients before its `dispatch` returns.
    dispatch(options, handler, signal) {
      const claim: Claim = { signal, claims: null };
      asking = claim;
      try {
        pool.dispatch(options, handler);
      } finally {
        asking = null;
      }
      return () => claim.claims?.delete(claim);
    },
  };
}

function connectorFor(claims: ReadonlySet<Claim>, dial: Dial): buildConnector.connector {
  return ({ protocol, hostname, port }, callback) => {
    const [claim] = claims;
    if (claim === undefined) {
      callback(new Error('nobody asks any more'), null);
      return;
    }
    const target = { protocol, host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    dial(target, claim.signal).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}
