import type { Route } from './route.ts';

export interface RouteCacheOptions {
  /** A route that nobody used for so long is closed. */
  readonly idleMs: number;
  /** Never goes back. */
  readonly nowMs: () => number;
}

/** Routes by exit and origin, as many as are used and few more. */
export interface RouteCache {
  readonly all: readonly Route[];
  get(exit: string, origin: string, create: () => Route): Route;
  /** Closes what nobody has used for `idleMs`. */
  sweep(): void;
}

/**
 * Beyond these the one that was unused longest goes. One with requests under way always stays: those
 * have their own bounds.
 */
const MAX_ROUTES = 256;

interface Entry {
  readonly exit: string;
  readonly origin: string;
  readonly route: Route;
  usedAtMs: number;
}

export function createRouteCache({ idleMs, nowMs }: RouteCacheOptions): RouteCache {
  const entries = new Map<string, Entry>();
  let last: Entry | null = null;

  function isUnused({ route }: Entry): boolean {
    return route.running === 0;
  }

  function evict(key: string, { route }: Entry): void {
    entries.delete(key);
    if (last?.route === route) last = null;
    void route.destroy();
  }

  function makeRoom(): void {
    if (entries.size < MAX_ROUTES) return;
    const unused = [...entries].filter(([, entry]) => isUnused(entry));
    const [oldest] = unused.toSorted(([, one], [, other]) => one.usedAtMs - other.usedAtMs);
    if (oldest !== undefined) evict(...oldest);
  }

  function find(exit: string, origin: string, create: () => Route): Entry {
    const key = `${exit} ${origin}`;
    const known = entries.get(key);
    if (known !== undefined) return known;
    makeRoom();
    const entry = { exit, origin, route: create(), usedAtMs: 0 };
    entries.set(key, entry);
    return entry;
  }

  return {
    get all() {
      return [...entries.values()].map(({ route }) => route);
    },
    get(exit, origin, create) {
      // Nearly always the last one again; and names joined anew must be hashed anew.
      if (last?.exit !== exit || last.origin !== origin) last = find(exit, origin, create);
      last.usedAtMs = nowMs();
      return last.route;
    },
    sweep() {
      const now = nowMs();
      for (const [key, entry] of entries) {
        // Idleness begins with the end of the last answer, which may have taken long.
        if (!isUnused(entry)) entry.usedAtMs = now;
        else if (now - entry.usedAtMs >= idleMs) evict(key, entry);
      }
    },
  };
}
