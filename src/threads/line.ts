import { Link, LinkedList } from '../linked-list.ts';

/** What the line needs to know of somebody who stands in it. */
export interface Queued {
  /** `client`: somebody waits for it. `background`: nobody does yet. */
  readonly urgency: Urgency;
  readonly expectedTries: number;
}

/** Somebody's place in the line. */
export interface PlaceInLine {
  /** Idempotent. */
  leave(): void;
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
 * Nobody leaves the line by being served: an entry stays until it leaves.
 */
export class Line<Entry extends Queued> {
  readonly #clients = new LinkedList<Entry>();
  readonly #background = new LinkedList<Entry>();
  readonly #classes: readonly LinkedList<Entry>[] = Array.from(
    { length: CLASSES },
    () => new LinkedList<Entry>(),
  );
  #isOldestsTurn = false;

  add(entry: Entry): PlaceInLine {
    const [byArrival, byDifficulty] = [new Link(entry), new Link(entry)];
    if (entry.urgency === 'background') {
      this.#background.append(byArrival);
    } else {
      this.#clients.append(byArrival);
      this.#classOf(entry).append(byDifficulty);
    }
    return {
      leave() {
        byArrival.leave();
        byDifficulty.leave();
      },
    };
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
      const entry = first(entries, hasRoom);
      if (entry !== null) return entry;
    }
    return null;
  }

  #classOf({ expectedTries }: Entry): LinkedList<Entry> {
    const index = Math.min(CLASSES - 1, Math.max(0, Math.ceil(Math.log2(expectedTries))));
    return this.#classes[index] as LinkedList<Entry>;
  }
}

function first<Entry>(entries: LinkedList<Entry>, hasRoom: (entry: Entry) => boolean): Entry | null {
  for (let link = entries.first; link !== null; link = link.after) if (hasRoom(link.value)) return link.value;
  return null;
}
