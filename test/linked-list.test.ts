import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import t from 'tap';
import { Link, LinkedList } from '../src/linked-list.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

t.test('holds the same in the same order as a Set', (t) => {
  const step = fc.record({ name: fc.integer({ min: 0, max: 9 }), comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const links = Array.from({ length: 10 }, (_, name) => new Link(name));
      const list = new LinkedList<number>();
      const set = new Set<number>();
      for (const { name, comes } of steps) {
        set.delete(name);
        if (comes) set.add(name);
        if (comes) list.append(links[name] as Link<number>);
        else links[name]?.leave();
      }
      t.same([...list], [...set]);
      t.equal(list.size, set.size);
      t.same(list.takeAll(), [...set]);
      t.equal(list.size + [...list].length, 0);
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test('who left an old list is gone with a young collection', (t) => {
  const list = new LinkedList<unknown>();
  const first = new Link<unknown>('here before');
  list.append(first);
  collect();
  const before = oldBytes();
  let last = first;
  // One is always there, as in a busy server, and what it has on it weighs 4 KB.
  for (let at = 0; at < 5_000; at += 1) {
    const link = new Link<unknown>(Array.from({ length: 500 }, () => at));
    list.append(link);
    last.leave();
    last = link;
    if (at % 500 === 0) collect({ type: 'minor' });
  }
  collect({ type: 'minor' });
  // In place of the list, a Set leaves 6 of the 20 MB; links that keep their neighbours leave all.
  t.ok(oldBytes() - before < 2e6, `${((oldBytes() - before) / 1e6).toFixed(1)} MB stayed`);
  t.equal(list.size, 1);
  t.end();
});

function oldBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
  return space?.space_used_size ?? 0;
}
