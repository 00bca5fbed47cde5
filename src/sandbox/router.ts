import type { Handler } from './exchange.ts';

interface Route {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the handler for a method and a path. */
export type Router = (method: string, path: string) => Route | undefined;

/** Routes are written `GET /files/:id`; a part with a colon stands for any one part of a path. */
export function createRouter(routes: Iterable<readonly [string, Handler]>): Router {
  const exact = new Map<string, Handler>();
  const patterns: { readonly pattern: RegExp; readonly handler: Handler }[] = [];
  for (const [route, handler] of routes) {
    if (route.includes(':')) patterns.push({ pattern: toPattern(route), handler });
    else exact.set(route, handler);
  }
  return (method, path) => {
    const asked = `${method} ${path}`;
    const handler = exact.get(asked);
    if (handler !== undefined) return { handler, params: {} };
    for (const candidate of patterns) {
      const match = candidate.pattern.exec(asked);
      if (match !== null) return { handler: candidate.handler, params: match.groups ?? {} };
    }
    return undefined;
  };
}

function toPattern(route: string): RegExp {
  return new RegExp(`^${route.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
}
