import t from 'tap';
import { randomUuid } from '../src/random-ids.ts';

t.test('uuids of version 4, no two alike, every digit as random as the next', (t) => {
  const count = 20_000;
  const uuids = Array.from({ length: count }, randomUuid);
  t.equal(new Set(uuids).size, count);
  t.ok(
    uuids.every((uuid) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)),
  );
  for (const place of [0, 7, 9, 12, 15, 17, 20, 22, 24, 35]) {
    const seen = new Map<string, number>();
    for (const uuid of uuids) seen.set(uuid[place] ?? '', (seen.get(uuid[place] ?? '') ?? 0) + 1);
    const counts = [...seen.values()];
    t.ok(seen.size === 16 && Math.min(...counts) > 950 && Math.max(...counts) < 1_550, `digit ${place}`);
  }
  t.end();
});
