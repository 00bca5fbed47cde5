import type { Way } from '../outbound/way.ts';

const MAX_WAYS = 20_000;

/** By which way each account went last: upstream likes to see one account at one address. Bounded, the idle go first. */
export class RecentWays {
  readonly #ways = new Map<string, Way>();

  find(account: string): Way | null {
    return this.#ways.get(account) ?? null;
  }

  keep(account: string, way: Way): void {
    this.#ways.delete(account);
    this.#ways.set(account, way);
    if (this.#ways.size <= MAX_WAYS) return;
    for (const oldest of this.#ways.keys()) {
      this.#ways.delete(oldest);
      return;
    }
  }
}
