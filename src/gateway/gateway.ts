import { ChatError } from '../errors.ts';
import type { Fallback } from '../http/fallback.ts';
import type { FindOwnOrigin } from '../http/own-origin.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Exits } from '../outbound/exits.ts';
import type { WayAsk, WayLease } from '../outbound/way.ts';
import { createOwnPaths } from './own-paths.ts';
import { Relay } from './relay.ts';
import type { RequestContext } from './request-headers.ts';
import { tunnel } from './tunnel.ts';
import { upstreamHosts } from './upstream-hosts.ts';
import { createVisits } from './visit.ts';

export interface GatewayOptions {
  /** CHATGPT_BASE_URL. */
  readonly gateways: readonly string[];
  /** API_PREFIX: empty, or starting with a slash. */
  readonly prefix: string;
  readonly findOwn: FindOwnOrigin;
  /** The address that asks. */
  readonly addressOf: (request: RequestSnapshot) => string;
  /** AUTH_KEY. */
  readonly authKey: string | null;
  /** What tells upstream which browser asks; names of cookies, and keys, that stay here. */
  readonly sender: Pick<RequestContext, 'browser' | 'privateCookies' | 'isOwnKey'>;
  readonly pick: (ask: WayAsk) => WayLease;
  readonly exits: Pick<Exits, 'send' | 'dial'>;
  /** CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS and SLOW_CLIENT_TIMEOUT_MS. */
  readonly connectMs: number;
  readonly idleMs: number;
  readonly slowClientMs: number;
}

/** What our routes begin with, those that are switched off too: none of it is ever asked of upstream. */
const OWN_PATHS = ['/v1', '/healthz', '/readyz', '/metrics', '/files', '/tokens', '/admin'];

/** Asks for a tunnel to anywhere, which is another kind of proxy. */
const CONNECT = 'CONNECT';

/** The web site under our own address. */
export function createGateway(options: GatewayOptions): Fallback {
  const { gateways, findOwn, addressOf, pick, authKey, sender, exits } = options;
  const isOurs = createOwnPaths(OWN_PATHS, options.prefix);
  const visits = createVisits({
    hosts: upstreamHosts(gateways),
    findOwn,
    addressOf,
    pick,
    authKey,
    sender,
  });
  const relay = {
    send: (...call: Parameters<Exits['send']>) => exits.send(...call),
    visits,
    idleMs: options.idleMs,
    slowClientMs: options.slowClientMs,
  };
  const sockets = {
    dial: (...call: Parameters<Exits['dial']>) => exits.dial(...call),
    handshakeMs: options.connectMs,
  };
  return {
    name: 'gateway',
    takes: (path) => !isOurs(path),
    handler(request, reply) {
      if (request.method === CONNECT) throw noTunnel();
      if (request.header('service-worker') !== undefined) throw noServiceWorker();
      new Relay(request, reply, visits.begin(request), relay);
    },
    tunnel: (request, reply, accept) => tunnel(request, reply, accept, visits.begin(request), sockets),
  };
}

/** One of the site's would rule over whatever else lives under our address, the accounts page too. */
function noServiceWorker(): ChatError {
  return new ChatError('unknown_url', 'Service workers do not pass through this proxy.');
}

function noTunnel(): ChatError {
  return new ChatError('method_not_allowed', 'This proxy opens no tunnels.');
}
