import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';

export interface Route {
  /** Upper case. */
  readonly method: string;
  /** `/v1/models`, or `/v1/models/{id}`: a trailing `{name}` takes the whole rest, slashes too. Without the prefix. */
  readonly path: string;
  /** Answers also while the server drains. */
  readonly whileDraining?: boolean;
  /** Takes OPTIONS too, unless a browser asks with it what another origin's page may do. */
  readonly takesOptions?: boolean;
  handler(request: RequestSnapshot, reply: Reply): void | Promise<void>;
}

export type Match =
  | { readonly kind: 'found'; readonly route: Route; readonly parameter: string | null }
  | { readonly kind: 'wrong_method'; readonly allow: string }
  | { readonly kind: 'unknown' };

type Methods = Map<string, Route>;

export type Router = (method: string, path: string) => Match;

const UNKNOWN: Match = { kind: 'unknown' };

/** `prefix`: `api`, `/api`, `/api/` or empty; the routes live under it and nowhere else. */
export function createRouter(routes: readonly Route[], prefix: string): Router {
  const base = normalizePrefix(prefix);
  const exact = new Map<string, Methods>();
  const trailing = new Map<string, Methods>();
  for (const route of routes) {
    const brace = route.path.indexOf('{');
    const table = brace === -1 ? exact : trailing;
    const key = base + (brace === -1 ? route.path : route.path.slice(0, brace));
    table.set(key, (table.get(key) ?? new Map<string, Route>()).set(route.method, route));
  }
  return (method, path) => {
    const methods = exact.get(path);
    if (methods) return pick(methods, method, null);
    for (const [start, candidates] of trailing) {
      if (path.length > start.length && path.startsWith(start)) {
        return pick(candidates, method, decode(path.slice(start.length)));
      }
    }
    return UNKNOWN;
  };
}

function normalizePrefix(prefix: string): string {
  const bare = prefix.replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `/${bare}`;
}

/** A HEAD is a GET whose body stays here. */
function pick(methods: Methods, method: string, parameter: string | null): Match {
  const route = methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined);
  if (route) return { kind: 'found', route, parameter };
  const names = new Set([...methods.keys(), ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS']);
  return { kind: 'wrong_method', allow: [...names].join(', ') };
}

/** Broken percent-encoding is not an error of ours to raise: the name is simply unknown then. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
