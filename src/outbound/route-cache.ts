import type { Route } from './route.ts';

export interface RouteCacheOptions {
  /** A route that nobody used for so long is closed. */
  readonly idleMs: number;
  /** Never goes back. */
  readonly nowMs: () => number;
}

/** Routes by name, as many as are used and few more. */
export interface RouteCache {
  readonly all: readonly Route[];
  get(key: string, create: () => Route): Route;
  /** Closes what nobody has used for `idleMs`. */
  sweep(): void;
}

/**
 * Beyond these the one that was unused longest goes. One with requests under way always stays: those
 * have their own bounds.
 */
const MAX_ROUTES = 256;

interface Entry {
  readonly route: Route;
  usedAtMs: number;
}

export function createRouteCache({ idleMs, nowMs }: RouteCacheOptions): RouteCache {
  /** The one used last is last. */
  const entries = new Map<string, Entry>();
  let last: Entry | null = null;

  function isUnused({ route }: Entry): boolean {
    return route.running === 0;
  }

  function evict(key: string, { route }: Entry): void {
    entries.delete(key);
    void route.destroy();
  }

  function makeRoom(): void {
    if (entries.size < MAX_ROUTES) return;
    const oldest = [...entries].find(([, entry]) => isUnused(entry));
    if (oldest !== undefined) evict(...oldest);
  }

  return {
    get all() {
      return [...entries.values()].map(({ route }) => route);
    },
    get(key, create) {
      const known = entries.get(key);
      if (known === undefined) makeRoom();
      const entry = known ?? { route: create(), usedAtMs: 0 };
      entry.usedAtMs = nowMs();
      // A table that things leave and enter is made anew again and again: 1.3 KB of garbage for each request.
      if (entry !== last) entries.delete(key);
      entries.set(key, entry);
      last = entry;
      return entry.route;
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
