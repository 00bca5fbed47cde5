const MAX_ACCOUNTS = 20_000;

/** Through which exit each account went last: upstream likes to see one account at one address. Bounded, the idle go first. */
export class RecentExits {
  readonly #exits = new Map<string, string>();

  find(account: string): string | null {
    return this.#exits.get(account) ?? null;
  }

  keep(account: string, exit: string): void {
    this.#exits.delete(account);
    this.#exits.set(account, exit);
    if (this.#exits.size <= MAX_ACCOUNTS) return;
    for (const oldest of this.#exits.keys()) {
      this.#exits.delete(oldest);
      return;
    }
  }
}
