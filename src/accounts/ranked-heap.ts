/** Something in a heap: the least rank is on top. */
export interface Ranked {
  rank: number;
  /** The heap's own note, -1 when in none; an item is in one heap at a time. */
  at: number;
}

/** A binary heap that knows where its items are, so that any can be moved or taken out in O(log n). */
export class RankedHeap<T extends Ranked> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** In no particular order. */
  get all(): readonly T[] {
    return this.#items;
  }

  get top(): T | null {
    return this.#items[0] ?? null;
  }

  /** Puts an item in, or to its new place after its rank changed. */
  place(item: T, rank: number): void {
    item.rank = rank;
    if (item.at === -1) item.at = this.#items.push(item) - 1;
    this.#rise(item);
    this.#sink(item);
  }

  remove(item: T): void {
    if (item.at === -1) return;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#put(last, item.at);
      this.#rise(last);
      this.#sink(last);
    }
    item.at = -1;
  }

  #rise(item: T): void {
    while (item.at > 0) {
      const parent = this.#items[(item.at - 1) >> 1];
      if (parent === undefined || parent.rank <= item.rank) return;
      this.#swap(parent, item);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.at + 1];
      const right = this.#items[2 * item.at + 2];
      const least = right !== undefined && left !== undefined && right.rank < left.rank ? right : left;
      if (least === undefined || least.rank >= item.rank) return;
      this.#swap(item, least);
    }
  }

  /** The first is the second's parent. */
  #swap(above: T, below: T): void {
    const to = above.at;
    this.#put(above, below.at);
    this.#put(below, to);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.at = at;
  }
}
