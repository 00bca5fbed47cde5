import type { AccountState } from '../admin/desk.ts';
import type { Account } from './account.ts';
import { Link, LinkedList } from '../linked-list.ts';
import type { AccountRecord } from './records.ts';

/** An account's place in the roster. */
export class Slot {
  readonly account: Account;
  readonly link = new Link<Slot>(this);
  /** On which shelf it stands, and since when, by the roster's count of moves. */
  tier: 0 | 1 = 0;
  load = 0;
  placed = 0;
  group: Group | null = null;
  /** For the heap of what ends by itself. */
  rank = Infinity;
  at = -1;
  /** No longer the pool's: its last conversations run out. */
  isLeaving = false;

  /** What was last told of it. */
  #record: AccountRecord;
  told: AccountState;

  constructor(account: Account, nowMs: number) {
    this.account = account;
    this.#record = account.record();
    this.told = calmly(account.state(nowMs));
  }

  /** It stands on a shelf. */
  get hasRoom(): boolean {
    return this.link.list !== null;
  }

  /** What has changed since the last look. */
  look(nowMs: number): { readonly isDurable: boolean; readonly state: AccountState } {
    const record = this.account.record();
    const isDurable = FIELDS.some((field) => record[field] !== this.#record[field]);
    this.#record = record;
    this.told = calmly(this.account.state(nowMs));
    return { isDurable, state: this.told };
  }
}

const FIELDS = ['credential', 'access', 'standing', 'plan', 'limits', 'concurrency'] as const;

/** Nobody wants to be told of every conversation. */
function calmly(state: AccountState): AccountState {
  return state === 'busy' ? 'ready' : state;
}

/** Accounts that are good for the same questions. Those with room stand on shelves. */
interface Group {
  readonly key: string;
  /** What none of them can serve; null: anything. */
  readonly closed: ReadonlySet<string | null>;
  members: number;
  /** First those with a token, then those that must fetch one; each by conversations in flight. */
  readonly tiers: readonly [Shelf[], Shelf[]];
}

/** In the order in which they came: the first was used least recently. */
type Shelf = LinkedList<Slot>;

/** Enough for the limits of several models in all combinations; beyond them, the best of these will do. */
const MAX_GROUPS_COMPARED = 64;

/**
 * Who serves next: of those that can, the least busy, and among these the least recently used.
 *
 * Accounts stand in groups, one for each set of models that upstream's limits close, and in a group on
 * one shelf per load:
 *
 *     no limits        0 in flight: A C F    1 in flight: B
 *     gpt-4o closed    0 in flight: D        1 in flight:
 *
 * The choice is among the first of each group, so it costs as much as there are groups, and a change
 * costs one move, however many accounts there are.
 */
export class Roster {
  readonly #groups = new Map<string, Group>();
  /** In how many groups a model is closed. */
  readonly #closed = new Map<string | null, number>();
  #placed = 0;
  #members = 0;

  /** Usable accounts, those that cool included. */
  get usable(): number {
    return this.#members;
  }

  /** Puts the account where it belongs now, as the last there. To be called after every use and change. */
  place(slot: Slot, nowMs: number): void {
    const { account } = slot;
    const key = account.isUsable && !slot.isLeaving ? account.limitKey : null;
    slot.link.leave();
    if (slot.group?.key !== key) this.#regroup(slot, key);
    if (slot.group === null || slot.group.closed.has(null) || !account.hasRoom(nowMs)) return;
    this.#placed += 1;
    slot.placed = this.#placed;
    slot.tier = account.needsRefresh(nowMs) ? 1 : 0;
    slot.load = account.inFlight;
    const tier = slot.group.tiers[slot.tier];
    while (tier.length <= slot.load) tier.push(new LinkedList());
    tier[slot.load]?.append(slot.link);
  }

  /** Null: nobody has room who serves the model. `avoid`ed ones are taken when there is no other. */
  pick(model: string, avoid: readonly string[]): Slot | null {
    return this.#best(model, avoid) ?? (avoid.length === 0 ? null : this.#best(model, []));
  }

  /** How many serve the model, now or as soon as they have room. */
  serving(model: string): number {
    let count = 0;
    for (const group of this.#groups.values()) if (!isClosed(group, model)) count += group.members;
    return count;
  }

  /** Does anybody, now or as soon as there is room? Null: some model at least. */
  serves(model: string | null): boolean {
    for (const group of this.#groups.values()) if (!isClosed(group, model)) return true;
    return false;
  }

  /** Is there an account that serves others, but not this model? */
  isLimited(model: string): boolean {
    return this.#closed.has(model);
  }

  #best(model: string, avoid: readonly string[]): Slot | null {
    let best: Slot | null = null;
    let compared = 0;
    for (const group of this.#groups.values()) {
      if (isClosed(group, model)) continue;
      if (best !== null && compared >= MAX_GROUPS_COMPARED) return best;
      compared += 1;
      const slot = firstOf(group, avoid);
      if (slot !== null && (best === null || isBefore(slot, best))) best = slot;
    }
    return best;
  }

  #regroup(slot: Slot, key: string | null): void {
    const old = slot.group;
    slot.group = key === null ? null : this.#groupFor(key, slot.account);
    if (slot.group !== null) {
      slot.group.members += 1;
      this.#members += 1;
    }
    if (old === null) return;
    old.members -= 1;
    this.#members -= 1;
    if (old.members === 0) this.#drop(old);
  }

  #groupFor(key: string, account: Account): Group {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const closed = new Set(account.limits.map(({ model }) => model));
    const group: Group = { key, closed, members: 0, tiers: [[], []] };
    this.#groups.set(key, group);
    for (const model of closed) this.#closed.set(model, (this.#closed.get(model) ?? 0) + 1);
    return group;
  }

  #drop(group: Group): void {
    this.#groups.delete(group.key);
    for (const model of group.closed) {
      const count = (this.#closed.get(model) ?? 0) - 1;
      if (count > 0) this.#closed.set(model, count);
      else this.#closed.delete(model);
    }
  }
}

function isClosed({ closed }: Group, model: string | null): boolean {
  return closed.has(null) || closed.has(model);
}

function firstOf({ tiers }: Group, avoid: readonly string[]): Slot | null {
  for (const tier of tiers) {
    for (const shelf of tier) {
      for (let link = shelf.first; link !== null; link = link.after) {
        if (!avoid.includes(link.value.account.id)) return link.value;
      }
    }
  }
  return null;
}

function isBefore(one: Slot, other: Slot): boolean {
  if (one.tier !== other.tier) return one.tier < other.tier;
  if (one.load !== other.load) return one.load < other.load;
  return one.placed < other.placed;
}
