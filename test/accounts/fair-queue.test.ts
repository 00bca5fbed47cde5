import fc from 'fast-check';
import t from 'tap';
import { FairQueue } from '../../src/accounts/fair-queue.ts';
import type { Ticket } from '../../src/accounts/fair-queue.ts';
import { RankedHeap } from '../../src/accounts/ranked-heap.ts';

const LANES = ['*', '~a', '~b', '=home'];

interface Plain {
  readonly id: number;
  readonly key: string;
  lane: string;
}

/** The same by the definition: a list, and a look at all of it for every answer. */
class PlainQueue {
  waiting: Plain[] = [];
  readonly turns = new Map<string, number>();
  #turns = 0;

  add(lane: string, key: string, id: number): void {
    if (this.waitingFor(key).length === 0) this.turns.set(key, (this.#turns += 1));
    this.waiting.push({ id, key, lane });
  }

  take(lanes: readonly string[]): number | null {
    const open = this.waiting.filter(({ lane }) => lanes.includes(lane));
    const turnOf = ({ key }: Plain): number => this.turns.get(key) ?? 0;
    const [next] = open.sort((a, b) => turnOf(a) - turnOf(b) || a.id - b.id);
    if (next === undefined) return null;
    this.turns.set(next.key, (this.#turns += 1));
    this.remove(next.id);
    return next.id;
  }

  remove(id: number): void {
    this.waiting = this.waiting.filter((waiter) => waiter.id !== id);
  }

  waitingFor(key: string): Plain[] {
    return this.waiting.filter((waiter) => waiter.key === key);
  }
}

const lane = fc.constantFrom(...LANES);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), lane, key: fc.nat(5) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('take' as const), lanes: fc.subarray(LANES, { minLength: 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), from: lane, to: lane }) },
);

t.test('whatever comes, takes, leaves and moves: as by a look at everyone', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const queue = new FairQueue<number>();
      const plain = new PlainQueue();
      const tickets: Ticket<number>[] = [];
      for (const one of steps) {
        switch (one.do) {
          case 'add':
            plain.add(one.lane, `k${one.key}`, tickets.length);
            tickets.push(queue.add(one.lane, `k${one.key}`, tickets.length));
            break;
          case 'take': {
            const expected = plain.take(one.lanes);
            const taken = queue.take(one.lanes);
            if (taken !== expected) throw new Error(`took ${taken} instead of ${expected}`);
            break;
          }
          case 'leave': {
            const ticket = tickets[one.at % Math.max(1, tickets.length)];
            if (ticket === undefined) break;
            plain.remove(ticket.value);
            queue.remove(ticket);
            break;
          }
          case 'move':
            for (const ticket of queue.inLane(one.from)) queue.move(ticket, one.to);
            for (const waiter of plain.waiting) if (waiter.lane === one.from) waiter.lane = one.to;
        }
        compare(queue, plain);
      }
    }),
    { numRuns: 200 },
  );
  t.end();
});

function compare(queue: FairQueue<number>, plain: PlainQueue): void {
  const { waiting } = plain;
  const counts = new Map(waiting.map(({ key }) => [key, plain.waitingFor(key).length]));
  const most = Math.max(0, ...counts.values());
  const newest = queue.newestOfLongest?.value;
  const longest = waiting.find(({ id }) => id === newest)?.key ?? '';
  const isRight =
    queue.size === waiting.length &&
    queue.oldest?.value === waiting[0]?.id &&
    [...counts].every(([key, count]) => queue.waitingFor(key) === count) &&
    LANES.every((lane) => queue.has(lane) === waiting.some((waiter) => waiter.lane === lane)) &&
    LANES.every((lane) => {
      const ids = waiting.filter((waiter) => waiter.lane === lane).map(({ id }) => id);
      return (
        queue
          .inLane(lane)
          .map(({ value }) => value)
          .join() === ids.join()
      );
    }) &&
    (counts.get(longest) ?? 0) === most &&
    newest === plain.waitingFor(longest).at(-1)?.id;
  if (!isRight) throw new Error('the queue tells something else');
}

t.test('a heap knows its least, whatever is placed, moved and removed', (t) => {
  const steps = fc.array(fc.record({ item: fc.nat(30), rank: fc.option(fc.integer({ min: 0, max: 50 })) }));
  fc.assert(
    fc.property(steps, (moves) => {
      const items = Array.from({ length: 31 }, () => ({ rank: 0, at: -1 }));
      const heap = new RankedHeap<(typeof items)[number]>();
      const inside = new Set<(typeof items)[number]>();
      for (const { item, rank } of moves) {
        const one = items[item];
        if (one === undefined) continue;
        if (rank === null) heap.remove(one);
        else heap.place(one, rank);
        if (rank === null) inside.delete(one);
        else inside.add(one);
        const least = Math.min(...[...inside].map((other) => other.rank));
        if (heap.size !== inside.size || (heap.top?.rank ?? Infinity) !== least) throw new Error('wrong top');
      }
    }),
    { numRuns: 150 },
  );
  t.end();
});

t.test('a key that wants much does not delay the next of another, whatever the lane', (t) => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 1_000; i += 1) queue.add(i % 2 === 0 ? '*' : '~a', 'greedy', 'greedy');
  queue.add('*', 'modest', 'modest');
  queue.add('~a', 'other', 'other');
  const order = Array.from({ length: 5 }, () => queue.take(['*', '~a']));
  t.strictSame(order, ['greedy', 'modest', 'other', 'greedy', 'greedy']);
  t.end();
});
