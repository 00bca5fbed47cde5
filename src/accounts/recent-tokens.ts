/** Tokens of which something was learned lately. Bounded: what was learned longest ago goes first. */
export class RecentTokens {
  readonly #max: number;
  readonly #tokens = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  has(token: string): boolean {
    return this.#tokens.has(token);
  }

  add(token: string): void {
    this.#tokens.delete(token);
    this.#tokens.add(token);
    if (this.#tokens.size <= this.#max) return;
    for (const oldest of this.#tokens) {
      this.#tokens.delete(oldest);
      return;
    }
  }
}
