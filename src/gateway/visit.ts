import { ChatError } from '../errors.ts';
import type { FindOwnOrigin, OwnOrigin } from '../http/own-origin.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Way, WayAsk, WayLease } from '../outbound/way.ts';
import { toTarget } from './own-paths.ts';
import type { RequestContext } from './request-headers.ts';
import { originFor } from './upstream-hosts.ts';
import { createUrlRewriter } from './url-rewriter.ts';
import type { UrlRewriter } from './url-rewriter.ts';

/** One request's way upstream, and who is who on it. */
export interface Visit {
  readonly own: OwnOrigin;
  readonly way: Way;
  /** Where it goes: the gateway of `way`, or the host behind which the site keeps this path. */
  readonly upstream: string;
  /** Path of `upstream`, without a slash at its end. */
  readonly basePath: string;
  /** Path and query. */
  readonly target: string;
  readonly hosts: readonly string[];
  readonly rewriter: UrlRewriter;
  readonly context: RequestContext;
  /** The first outcome counts. */
  release(outcome: ChatError | 'unused' | null): void;
  readonly client: string;
}

export interface VisitsOptions {
  readonly hosts: readonly string[];
  readonly findOwn: FindOwnOrigin;
  /** The address that asks. */
  readonly addressOf: (request: RequestSnapshot) => string;
  readonly pick: (ask: WayAsk) => WayLease;
  readonly authKey: string | null;
  readonly sender: Pick<RequestContext, 'browser' | 'privateCookies' | 'isOwnKey'>;
}

export interface Visits {
  /** Throws `invalid_value` when the request names no place that could be asked for. */
  begin(request: RequestSnapshot): Visit;
  /** The same on another way; null: there is none. */
  again(failed: Visit): Visit | null;
}

/** So many clients are led where they were before. */
const MAX_CLIENTS = 10_000;

/** Addresses under which we are known: one, or a few. */
const MAX_REWRITERS = 100;

export function createVisits(options: VisitsOptions): Visits {
  const { hosts, findOwn, addressOf, pick, authKey, sender } = options;
  const ways = new Map<string, Way>();
  const rewriters = new Map<string, UrlRewriter>();

  function rewriterFor({ url }: OwnOrigin): UrlRewriter {
    const known = rewriters.get(url) ?? createUrlRewriter(hosts, url);
    keep(rewriters, url, known, MAX_REWRITERS);
    return known;
  }

  function go(lease: WayLease, base: Pick<Visit, 'own' | 'target' | 'client'>): Visit {
    const { way } = lease;
    const { own, target, client } = base;
    const upstream = originFor(target, way.origin);
    const { origin, pathname } = new URL(upstream);
    keep(ways, client, way, MAX_CLIENTS);
    return {
      ...base,
      way,
      upstream,
      basePath: pathname.replace(/\/+$/, ''),
      hosts,
      rewriter: rewriterFor(own),
      context: { ...sender, own, upstream: origin, authKey: upstream === way.origin ? authKey : null },
      release(outcome) {
        // What a page can be made to bring about must not count against a way: only that there is none.
        const isEvidence = !(outcome instanceof ChatError) || outcome.unsent;
        lease.release(isEvidence && upstream === way.origin ? outcome : 'unused');
      },
    };
  }

  return {
    begin(request) {
      const own = findOwn(request);
      if (own === null)
        throw new ChatError('invalid_value', 'The header "Host" is missing or names no host.');
      const target = toTarget(request.path, request.query);
      if (target === null) throw new ChatError('invalid_value', 'The path leads out of the web site.');
      const client = deviceOf(request) ?? addressOf(request);
      return go(pick({ prefer: ways.get(client) ?? null, avoid: [] }), { own, target, client });
    },
    again({ way, own, target, client }) {
      const lease = pick({ prefer: null, avoid: [way] });
      const isAnother = lease.way.exit !== way.exit || lease.way.origin !== way.origin;
      if (isAnother) return go(lease, { own, target, client });
      lease.release('unused');
      return null;
    },
  };
}

/** The site's own name for a browser. */
function deviceOf(request: RequestSnapshot): string | null {
  return /(?:^|;\s*)oai-did=([\w-]{1,64})/.exec(request.header('cookie') ?? '')?.[1] ?? null;
}

/** Forgets those who were not here for longest. */
function keep<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > max && oldest.done !== true) map.delete(oldest.value);
}
