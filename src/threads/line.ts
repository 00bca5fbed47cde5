/** What the line needs to know of somebody who stands in it. */
export interface Queued {
  /** `client`: somebody waits for it. `background`: nobody does yet. */
  readonly urgency: Urgency;
  readonly expectedTries: number;
}

export type Urgency = 'client' | 'background';

/** Classes of difficulty, each twice as hard as the one before; the last takes all that is harder. */
const CLASSES = 64;

/**
 * Who gets the next slice of a thread. Pure policy. A search has no memory: however long it has
 * lasted, as many tries as at its start are still to be expected. So the easiest puzzle first is what
 * gives the least waiting altogether, and the oldest gets every other slice, so that easy ones cannot
 * keep a hard one from its end. Puzzles of one difficulty are served in order of arrival, by all
 * threads that they have use for. What nobody waits for gets what is left. `bench -- threads` compares.
 *
 * Nobody leaves the line by being served: an entry stays until `remove`.
 */
export class Line<Entry extends Queued> {
  // Sets keep the order of arrival and forget an entry in O(1).
  readonly #clients = new Set<Entry>();
  readonly #background = new Set<Entry>();
  readonly #classes: readonly Set<Entry>[] = Array.from({ length: CLASSES }, () => new Set<Entry>());
  #isOldestsTurn = false;

  add(entry: Entry): void {
    if (entry.urgency === 'background') {
      this.#background.add(entry);
      return;
    }
    this.#clients.add(entry);
    this.#classOf(entry).add(entry);
  }

  remove(entry: Entry): void {
    this.#background.delete(entry);
    this.#clients.delete(entry);
    this.#classOf(entry).delete(entry);
  }

  /** @param hasRoom has the entry use for one thread more? Few may be without: they are passed over one by one. */
  next(hasRoom: (entry: Entry) => boolean): Entry | null {
    const oldest = first(this.#clients, hasRoom);
    if (oldest === null) return first(this.#background, hasRoom);
    this.#isOldestsTurn = !this.#isOldestsTurn;
    return this.#isOldestsTurn ? (this.#easiest(hasRoom) ?? oldest) : oldest;
  }

  #easiest(hasRoom: (entry: Entry) => boolean): Entry | null {
    for (const entries of this.#classes) {
      const entry = entries.size === 0 ? null : first(entries, hasRoom);
      if (entry !== null) return entry;
    }
    return null;
  }

  #classOf({ expectedTries }: Entry): Set<Entry> {
    const index = Math.min(CLASSES - 1, Math.max(0, Math.ceil(Math.log2(expectedTries))));
    return this.#classes[index] as Set<Entry>;
  }
}

function first<Entry>(entries: Iterable<Entry>, hasRoom: (entry: Entry) => boolean): Entry | null {
  for (const entry of entries) if (hasRoom(entry)) return entry;
  return null;
}
