import { Link, LinkedList } from '../linked-list.ts';
import { RankedHeap } from './ranked-heap.ts';
import type { Ranked } from './ranked-heap.ts';

/** One that waits. Each link is its place in another order. */
export class Ticket<T> {
  readonly value: T;
  readonly arrival: number;
  readonly inLine: Link<Ticket<T>>;
  readonly inKey: Link<Ticket<T>>;
  readonly inQueue: Link<Ticket<T>>;
  line: Line<T>;

  constructor(value: T, arrival: number, line: Line<T>) {
    this.value = value;
    this.arrival = arrival;
    this.line = line;
    this.inLine = new Link<Ticket<T>>(this);
    this.inKey = new Link<Ticket<T>>(this);
    this.inQueue = new Link<Ticket<T>>(this);
  }
}

/** All that wait for one key; ranked so that the key with the most is on top. */
interface Key<T> extends Ranked {
  readonly id: string;
  /** When it was served last, or came, by the queue's count: who waits longest has the least. */
  turn: number;
  readonly lines: Map<string, Line<T>>;
  readonly tickets: LinkedList<Ticket<T>>;
}

/** All that wait for one key in one lane; ranked by the key's turn, or by one that it had before. */
interface Line<T> extends Ranked {
  readonly key: Key<T>;
  readonly lane: string;
  readonly tickets: LinkedList<Ticket<T>>;
}

/**
 * Who waits, and who is next. Keys take turns, one request each: as every request costs the same, no
 * deficit is ever carried over, and deficit round robin comes down to serving the key that was served
 * longest ago. Within a key, by arrival.
 *
 * Lanes keep apart those that cannot be served by the same: who takes says which lanes he serves, and
 * a lane that nobody serves holds up no other. The turns are the key's, whatever the lane.
 *
 * Taking costs O(lanes asked + log keys); leaving O(1), but for a key's last in a lane.
 */
export class FairQueue<T> {
  readonly #lanes = new Map<string, RankedHeap<Line<T>>>();
  readonly #keys = new Map<string, Key<T>>();
  readonly #byCount = new RankedHeap<Key<T>>();
  readonly #tickets = new LinkedList<Ticket<T>>();
  #turns = 0;
  #arrivals = 0;

  get size(): number {
    return this.#tickets.size;
  }

  /** Does anybody wait in this lane? */
  has(lane: string): boolean {
    return this.#lanes.has(lane);
  }

  /** Who came first of all. */
  get oldest(): Ticket<T> | null {
    return this.#tickets.first?.value ?? null;
  }

  /** The last comer of the key that has the most in the queue. */
  get newestOfLongest(): Ticket<T> | null {
    return this.#byCount.top?.tickets.last?.value ?? null;
  }

  waitingFor(keyId: string): number {
    return this.#keys.get(keyId)?.tickets.size ?? 0;
  }

  add(lane: string, keyId: string, value: T): Ticket<T> {
    const key = this.#keys.get(keyId) ?? this.#addKey(keyId);
    this.#arrivals += 1;
    const ticket = new Ticket(value, this.#arrivals, lineOf(key, lane));
    this.#tickets.append(ticket.inQueue);
    key.tickets.append(ticket.inKey);
    this.#byCount.place(key, -key.tickets.size);
    this.#enter(ticket);
    return ticket;
  }

  /** The next one that can be served in one of the lanes; it leaves the queue. */
  take(lanes: Iterable<string>): T | null {
    const ticket = this.#next(lanes);
    if (ticket === null) return null;
    this.#turns += 1;
    ticket.line.key.turn = this.#turns;
    this.remove(ticket);
    return ticket.value;
  }

  /** Idempotent. */
  remove(ticket: Ticket<T>): void {
    if (ticket.inQueue.list === null) return;
    const { key } = ticket.line;
    ticket.inQueue.leave();
    ticket.inKey.leave();
    this.#leaveLine(ticket);
    if (key.tickets.size > 0) {
      this.#byCount.place(key, -key.tickets.size);
    } else {
      this.#byCount.remove(key);
      this.#keys.delete(key.id);
    }
  }

  /** To another lane, without losing its place among its key's. */
  move(ticket: Ticket<T>, lane: string): void {
    this.#leaveLine(ticket);
    ticket.line = lineOf(ticket.line.key, lane);
    this.#enter(ticket);
  }

  /** All that wait in the lane, in the order of arrival. */
  inLane(lane: string): Ticket<T>[] {
    const lines = this.#lanes.get(lane)?.all ?? [];
    return lines.flatMap((line) => [...line.tickets]).sort((one, other) => one.arrival - other.arrival);
  }

  #next(lanes: Iterable<string>): Ticket<T> | null {
    let next: Ticket<T> | null = null;
    for (const lane of lanes) {
      const first = this.#firstOf(lane);
      if (first !== null && (next === null || isBefore(first, next))) next = first;
    }
    return next;
  }

  #firstOf(lane: string): Ticket<T> | null {
    const heap = this.#lanes.get(lane);
    if (heap === undefined) return null;
    // Keys that were served in other lanes only ever move back: it is enough to look again at the top.
    for (;;) {
      const line = heap.top;
      if (line === null || line.rank === line.key.turn) return line?.tickets.first?.value ?? null;
      heap.place(line, line.key.turn);
    }
  }

  #addKey(id: string): Key<T> {
    this.#turns += 1;
    const key = {
      id,
      turn: this.#turns,
      lines: new Map(),
      tickets: new LinkedList<Ticket<T>>(),
      rank: 0,
      at: -1,
    };
    this.#keys.set(id, key);
    return key;
  }

  #enter(ticket: Ticket<T>): void {
    const { line } = ticket;
    // Who comes is the last; who moves may find some that came later.
    let before = line.tickets.last;
    while (before !== null && before.value.arrival > ticket.arrival) before = before.before;
    line.tickets.insert(ticket.inLine, before);
    if (line.at !== -1) return;
    line.key.lines.set(line.lane, line);
    let heap = this.#lanes.get(line.lane);
    if (heap === undefined) this.#lanes.set(line.lane, (heap = new RankedHeap()));
    heap.place(line, line.key.turn);
  }

  #leaveLine({ line, inLine }: Ticket<T>): void {
    inLine.leave();
    const heap = this.#lanes.get(line.lane);
    if (line.tickets.size > 0 || heap === undefined) return;
    heap.remove(line);
    line.key.lines.delete(line.lane);
    if (heap.size === 0) this.#lanes.delete(line.lane);
  }
}

function lineOf<T>(key: Key<T>, lane: string): Line<T> {
  return key.lines.get(lane) ?? { key, lane, tickets: new LinkedList<Ticket<T>>(), rank: 0, at: -1 };
}

/** Of one key's in two lanes, the one that came first. */
function isBefore<T>(one: Ticket<T>, other: Ticket<T>): boolean {
  const { key } = one.line;
  if (key === other.line.key) return one.arrival < other.arrival;
  return key.turn < other.line.key.turn;
}
