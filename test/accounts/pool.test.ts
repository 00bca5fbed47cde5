import fc from 'fast-check';
import t from 'tap';
import type { AccountAsk, AccountLease } from '../../src/accounts/account-ask.ts';
import { createPool } from '../../src/accounts/pool.ts';
import type { PoolOptions, Transition } from '../../src/accounts/pool.ts';
import type { AccountRecord } from '../../src/accounts/records.ts';
import { ChatError } from '../../src/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../src/errors.ts';
import { accountRecord, refreshRecord } from '../helpers/account-record.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const failed = (code: ErrorCode, details: ErrorDetails = {}): ChatError => new ChatError(code, 'no', details);
const capped = (retryAfterS: number): ChatError =>
  failed('rate_limit_exceeded', { limit: 'model', retryAfterS });
const flooded = (retryAfterS: number): ChatError =>
  failed('rate_limit_exceeded', { limit: 'account', retryAfterS });
const oneAtATime = failed('rate_limit_exceeded', { limit: 'concurrency' });
const expired = failed('account_unauthorized', { account: 'expired' });

function world(ids: readonly string[], given: Partial<PoolOptions> = {}) {
  const clock = new ManualClock();
  const changes: AccountRecord[] = [];
  const transitions: Transition[] = [];
  const pool = createPool({
    concurrency: 1,
    honoursLimits: true,
    maxQueue: 1_000,
    queueTimeoutMs: 30_000,
    onChange: (record) => changes.push(record),
    onTransition: (transition) => transitions.push(transition),
    clock,
    ...given,
  });
  for (const id of ids) pool.add(accountRecord(id));
  const lease = (
    ask: Partial<AccountAsk> = {},
    signal = new AbortController().signal,
  ): Promise<AccountLease> => pool.lease({ keyId: 'k', model: 'm', prefer: null, avoid: [], ...ask }, signal);
  /** Closes the model, or with another failure more, on one account. */
  const spoil = async (id: string, failure: ChatError, model = 'm'): Promise<void> => {
    const taken = await lease({ model, prefer: { id, strength: 'must' } });
    taken.release(failure);
  };
  return { pool, clock, changes, transitions, lease, spoil };
}

/** What became of a promise so far. */
function watch(leased: Promise<AccountLease>) {
  const outcome: { lease: AccountLease | null; error: unknown; ends: number } = {
    lease: null,
    error: null,
    ends: 0,
  };
  leased.then(
    (lease) => ((outcome.lease = lease), (outcome.ends += 1)),
    (error: unknown) => ((outcome.error = error), (outcome.ends += 1)),
  );
  return outcome;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const home = (id: string) => ({ prefer: { id, strength: 'must' as const } });

t.test('the least busy serves, then the one used least recently', async (t) => {
  const { pool, lease } = world(['a', 'b', 'c'], { concurrency: 2 });
  const [a, b, c] = [await lease(), await lease(), await lease()];
  t.strictSame([a.id, b.id, c.id], ['a', 'b', 'c']);
  b.release(null);
  b.release(null);
  a.release(null);
  t.strictSame([(await lease()).id, (await lease()).id, (await lease()).id], ['b', 'a', 'c']);
  t.match(pool, { inFlight: 4, waiting: 0, size: 3, usable: 3 });
  t.strictSame(pool.counts(), {
    ready: 2,
    busy: 1,
    cooling: 0,
    needs_refresh: 0,
    quarantined: 0,
    disabled: 0,
  });
});

t.test('any order of leases and releases: as by a look at all accounts', async () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(fc.nat(20), { freq: 3 }), { maxLength: 60 }), async (steps) => {
      const { lease, pool } = world(ids, { concurrency: 3 });
      const used = new Map(ids.map((id, at) => [id, at]));
      const load = new Map(ids.map((id) => [id, 0]));
      const held: AccountLease[] = [];
      for (const [at, step] of steps.entries()) {
        const [ended] = step === null ? [] : held.splice(step % Math.max(1, held.length), 1);
        if (ended !== undefined) ended.release(null);
        else if (held.length === 15) continue;
        const least = Math.min(...load.values());
        const expected = ids
          .filter((id) => load.get(id) === least)
          .sort((a, b) => (used.get(a) ?? 0) - (used.get(b) ?? 0))[0];
        const taken = ended ?? (await lease());
        if (ended === undefined && taken.id !== expected) throw new Error(`${taken.id}, not ${expected}`);
        if (ended === undefined) held.push(taken);
        used.set(taken.id, ids.length + at);
        load.set(taken.id, (load.get(taken.id) ?? 0) + (ended === undefined ? 1 : -1));
      }
      for (const one of held) one.release(null);
      if (pool.inFlight !== 0) throw new Error('something is still in flight');
    }),
    { numRuns: 100 },
  );
});

t.test('the same order among accounts with different limits', async (t) => {
  const { pool, lease, spoil } = world(['a', 'b', 'c'], { concurrency: 2 });
  await spoil('a', capped(60), 'x');
  await spoil('b', capped(60), 'y');
  const order = [];
  for (let i = 0; i < 6; i += 1) order.push((await lease()).id);
  t.strictSame(order, ['c', 'a', 'b', 'c', 'a', 'b']);

  const tiers = world(['late']);
  tiers.pool.add(refreshRecord('early', null));
  await tiers.spoil('late', capped(60), 'x');
  t.equal((await tiers.lease()).id, 'late', 'limited for another model, but with a token');
  t.equal(pool.counts().busy, 3);
});

t.test('accounts that were tried are avoided while there are others', async (t) => {
  const { lease } = world(['a', 'b']);
  const first = await lease({ avoid: ['a'] });
  t.equal(first.id, 'b');
  t.ok(first.hasOther);
  t.equal((await lease({ avoid: ['a'] })).id, 'a', 'better than none');
});

t.test('a liked account is taken when it has room, a home is waited for', async (t) => {
  const { pool, lease } = world(['a', 'b', 'c']);
  const b = await lease({ prefer: { id: 'b', strength: 'like' } });
  t.equal(b.id, 'b');
  const other = await lease({ prefer: { id: 'b', strength: 'like' } });
  t.equal(other.id, 'a');
  const waiting = watch(lease(home('b')));
  await settle();
  t.equal(waiting.ends, 0);
  other.release(null);
  t.equal(pool.waiting, 1, 'another account is no home');
  b.release(null);
  await settle();
  t.equal(waiting.lease?.id, 'b');
  t.notOk(waiting.lease?.hasOther);
});

t.test('a home that cannot serve: the reason, at once, also for those who wait for it', async (t) => {
  const { pool, clock, lease, spoil } = world(['a', 'b', 'c', 'd']);
  await spoil('a', capped(90));
  await t.rejects(lease(home('a')), {
    code: 'rate_limit_exceeded',
    retryAfterS: 90,
    retryable: false,
    message: /UTC, in 90 s/,
  });
  t.equal((await lease({ ...home('a'), model: 'other' })).id, 'a');
  pool.disable('b', 'by hand');
  await t.rejects(lease(home('b')), { code: 'account_unauthorized', retryable: false });
  await t.rejects(lease(home('gone')), { code: 'conversation_not_found', status: 404 });

  const c = await lease(home('c'));
  const [limited, free] = [watch(lease(home('c'))), watch(lease({ ...home('c'), model: 'other' }))];
  c.release(capped(10));
  await settle();
  t.match(limited.error, { code: 'rate_limit_exceeded' });
  t.equal(free.lease?.id, 'c');

  await lease(home('d'));
  const waiting = watch(lease(home('d')));
  pool.remove('d');
  await settle();
  t.match(waiting.error, { code: 'conversation_not_found' });
  clock.advance(90_000);
  t.equal(pool.waiting, 0);
});

t.test('all limited: refused at once with the earliest time, and served when it has come', async (t) => {
  const { clock, lease, spoil, pool } = world(['a', 'b']);
  await spoil('a', capped(300));
  await spoil('b', capped(100));
  for (const model of ['m', 'm']) {
    await t.rejects(lease({ model }), {
      code: 'rate_limit_exceeded',
      status: 429,
      retryAfterS: 100,
      retryable: false,
      message: /All 2 usable accounts.*after 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC/,
    });
  }
  const a = await lease({ model: 'other' });
  t.equal(a.id, 'a');
  t.ok(a.hasOther);
  clock.advance(100_000);
  const b = await lease();
  t.equal(b.id, 'b');
  t.notOk(b.hasOther);
  t.equal(pool.counts().ready, 0);
  b.release(capped(900));
  await t.rejects(lease(), { code: 'rate_limit_exceeded', retryAfterS: 200 });
});

t.test('limits come into force for those who wait already', async (t) => {
  const { lease, pool } = world(['a', 'b']);
  const [a, b] = [await lease(), await lease()];
  const m = watch(lease());
  const other = watch(lease({ model: 'other', keyId: 'k2' }));
  a.release(capped(60));
  await settle();
  t.equal(other.lease?.id, 'a', 'the limited account goes to whom it can serve');
  t.equal(m.ends, 0, 'the other may come free');
  b.release(capped(50));
  await settle();
  t.match(m.error, { code: 'rate_limit_exceeded', retryAfterS: 50 });
  t.equal(pool.waiting, 0);
});

t.test('an account that cools is not handed on', async (t) => {
  const { lease } = world(['a', 'b']);
  const [a, b] = [await lease(), await lease()];
  const waiting = watch(lease());
  a.release(flooded(20));
  await settle();
  t.equal(waiting.ends, 0);
  b.release(null);
  await settle();
  t.equal(waiting.lease?.id, 'b');
});

t.test('whoever waits for a model that few serve holds up nobody', async (t) => {
  const { lease, spoil } = world(['a', 'b']);
  await spoil('a', capped(60));
  const [b, a] = [await lease(home('b')), await lease({ model: 'other' })];
  const first = watch(lease());
  const second = watch(lease({ model: 'other' }));
  a.release(null);
  await settle();
  t.equal(first.ends, 0);
  t.equal(second.lease?.id, 'a');
  b.release(null);
  await settle();
  t.equal(first.lease?.id, 'b');
});

t.test('what cools is back by itself when somebody waits for it', async (t) => {
  const { clock, lease, spoil } = world(['a', 'b']);
  await spoil('a', flooded(20));
  await lease();
  const waiting = watch(lease());
  await settle();
  t.equal(waiting.ends, 0);
  clock.advance(20_000);
  await settle();
  t.equal(waiting.lease?.id, 'a');
});

t.test('"one message at a time": the account serves on, one after the other', async (t) => {
  const { pool, clock, lease } = world(['a'], { concurrency: 2 });
  const [one, two] = [await lease(), await lease()];
  const waiting = watch(lease());
  two.release(oneAtATime);
  await settle();
  t.equal(waiting.ends, 0);
  t.match(pool.view('a'), { state: 'busy', concurrency: 1, limits: [] });
  clock.advance(2_000);
  await settle();
  t.equal(waiting.ends, 0, 'the first still runs');
  one.release(null);
  await settle();
  t.equal(waiting.lease?.id, 'a');
});

t.test('none usable says so, and whom to ask', async (t) => {
  const { pool, lease, spoil, transitions } = world(['a', 'b']);
  await spoil('a', expired);
  const b = await lease();
  t.notOk(b.hasOther);
  const waiting = watch(lease());
  pool.disable('b', 'by hand');
  await settle();
  for (const error of [waiting.error, await lease().catch((thrown: unknown) => thrown)]) {
    t.match(error, { code: 'account_unauthorized', retryable: false, message: /None.*2 accounts.*\/tokens/ });
  }
  t.match(pool, { usable: 0, size: 2 });
  t.match(transitions, [
    { id: 'a', from: 'ready', to: 'quarantined', reason: 'no' },
    { id: 'b', from: 'ready', to: 'disabled', reason: 'by hand' },
  ]);
  const later = watch(lease());
  pool.clearErrors('a');
  await settle();
  t.match(later.error, { code: 'account_unauthorized' });
  t.equal((await lease()).id, 'a');
});

t.test('those without a token come after those with one', async (t) => {
  const { pool, clock, lease } = world([]);
  pool.add(refreshRecord('r', null));
  pool.add(refreshRecord('s', 't1', clock.nowMs() + 1_000));
  const s = await lease();
  t.match(s, { id: 's', access: { token: 't1' } });
  const r = await lease();
  t.match(r, { id: 'r', access: null, credential: { kind: 'refresh', token: 'refresh-r' } });
  pool.refreshed('r', { token: 't2', expiresMs: null });
  r.release(null);
  s.release(null);
  clock.advance(1_000);
  t.equal(pool.view('s')?.state, 'needs_refresh');
  t.match(await lease(), { id: 'r', access: { token: 't2' } });
  const again = await lease();
  t.match(again, { id: 's', access: null });
  pool.refreshFailed('s', 'refused', 'invalid_grant');
  again.release(expired);
  t.match(pool.view('s'), { state: 'quarantined', reason: 'invalid_grant' });
});

t.test('changes that must last are told, conversations are not', async (t) => {
  const { pool, clock, lease, spoil, changes } = world(['a']);
  const lasting: string[] = [];
  const expectChange = (what: string, count: number): void => {
    t.equal(changes.splice(0).length, count, what);
    lasting.push(what);
  };
  (await lease()).release(null);
  (await lease()).release(failed('upstream_error'));
  expectChange('use', 0);
  await spoil('a', capped(10));
  expectChange('limit', 1);
  clock.advance(10_000);
  pool.views();
  expectChange('end of the limit', 1);
  pool.learnPlan('a', 'plus');
  pool.learnPlan('a', 'plus');
  expectChange('plan', 1);
  pool.disable('a', 'x');
  pool.enable('a');
  expectChange('by hand', 2);
  const leased = await lease();
  pool.remove('a');
  leased.release(expired);
  expectChange('a removed account is nobody any more', 0);
  t.notOk(pool.enable('a'));
  t.match(pool, { size: 0, inFlight: 0, usable: 0 });
});

t.test('removed and added again, an account has no more at once than before', async (t) => {
  const { pool, lease } = world(['a']);
  const old = await lease();
  t.ok(pool.remove('a'));
  t.equal(pool.add(accountRecord('a')), 'updated');
  const waiting = watch(lease());
  await settle();
  t.equal(waiting.ends, 0);
  old.release(null);
  await settle();
  t.equal(waiting.lease?.id, 'a');
  t.match(pool, { size: 1, inFlight: 1 });
});

t.test('the queue: a deadline, a size, and no place for one key alone', async (t) => {
  const { pool, clock, lease } = world(['a'], { maxQueue: 4, queueTimeoutMs: 1_000 });
  const running = await lease();
  const greedy = Array.from({ length: 4 }, () => watch(lease({ keyId: 'greedy' })));
  const overloaded = { code: 'proxy_overloaded', status: 503, retryAfterS: 5 };
  await t.rejects(lease({ keyId: 'greedy' }), overloaded);
  clock.advance(500);
  const modest = watch(lease({ keyId: 'modest' }));
  await settle();
  t.match(greedy[3]?.error, { ...overloaded, message: /your key has the most/ });
  t.equal(pool.waiting, 4);
  t.equal(pool.waitingFor('greedy'), 3);
  clock.advance(499);
  await settle();
  t.equal(greedy[0]?.ends, 0);
  clock.advance(1);
  await settle();
  for (const one of greedy.slice(0, 3)) t.match(one.error, { ...overloaded, message: /QUEUE_TIMEOUT_MS/ });
  t.equal(modest.ends, 0);
  running.release(null);
  await settle();
  t.equal(modest.lease?.id, 'a');
  const none = world(['a'], { maxQueue: 0 });
  await none.lease();
  await t.rejects(none.lease(), overloaded);
});

t.test('who leaves while waiting is out at once', async (t) => {
  const { pool, lease } = world(['a']);
  const running = await lease();
  const left = new AbortController();
  const reason = new Error('gone');
  const waiting = watch(lease({}, left.signal));
  left.abort(reason);
  t.equal(pool.waiting, 0);
  await settle();
  t.equal(waiting.error, reason);
  await t.rejects(lease({}, left.signal), reason);
  running.release(null);
  t.equal(pool.inFlight, 0);
});

t.test('close: those who wait are told, those who run end well', async (t) => {
  const { pool, clock, lease, spoil } = world(['a', 'b']);
  await spoil('b', flooded(60));
  const running = await lease();
  const waiting = watch(lease());
  t.equal(clock.timers, 2);
  pool.close();
  await settle();
  t.match(waiting.error, { code: 'shutting_down' });
  await t.rejects(lease(), { code: 'shutting_down' });
  running.release(null);
  t.equal(pool.inFlight, 0);
  t.equal(clock.timers, 0);
});

t.test('drain: nobody waits any more, but what runs may go over to an account that is free', async (t) => {
  const { pool, lease } = world(['a', 'b']);
  const running = [await lease(), await lease()];
  const waiting = watch(lease());
  pool.drain();
  await settle();
  t.match(waiting.error, { code: 'shutting_down', retryAfterS: 5 });
  await t.rejects(lease(), { code: 'shutting_down' });
  running[0]?.release(expired);
  await t.rejects(lease(), { code: 'shutting_down' }, 'an account that is out is none that is free');
  running[1]?.release(null);
  const again = await lease();
  again.release(null);
  t.match(pool, { inFlight: 0, waiting: 0 });
});

t.test('keys that wait are served in turns', async () => {
  const backlog = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(backlog, fc.integer({ min: 1, max: 4 }), fc.nat(), async (counts, concurrency, seed) => {
      const { lease, pool } = world(['a', 'b'], { concurrency });
      const running = await Promise.all(Array.from({ length: 2 * concurrency }, () => lease()));
      const order: number[] = [];
      counts.forEach((count, key) => {
        for (let i = 0; i < count; i += 1) {
          void lease({ keyId: `k${key}`, model: i % 3 === 0 ? 'm' : 'n' }).then((one) => {
            order.push(key);
            running.push(one);
          });
        }
      });
      for (let at = seed; running.length > 0; at += 7) {
        running.splice(at % running.length, 1)[0]?.release(null);
        await Promise.resolve();
        await Promise.resolve();
      }
      if (pool.waiting + pool.inFlight !== 0) throw new Error('not all were served');
      assertTurns(order, counts);
    }),
    { numRuns: 100 },
  );
});

/** As long as two keys both wait, neither is more than one ahead. */
function assertTurns(order: readonly number[], counts: readonly number[]): void {
  const served = counts.map(() => 0);
  for (const key of order) {
    served[key] = (served[key] ?? 0) + 1;
    const open = served.filter((count, at) => count < (counts[at] ?? 0));
    if (Math.max(0, ...open) - Math.min(...open, Infinity) > 1) throw new Error(`unfair: ${served.join()}`);
  }
}

const IDS = ['a', 'b', 'c', 'd'];
const MODELS = ['m', 'n', 'o'];
const outcomes: readonly (ChatError | null)[] = [
  null,
  null,
  failed('upstream_error'),
  capped(20),
  capped(5),
  flooded(10),
  failed('rate_limit_exceeded', { limit: 'account' }),
  oneAtATime,
  expired,
];
const anId = fc.constantFrom(...IDS);
const strength = fc.constantFrom('must' as const, 'like' as const);
const anyStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('lease' as const),
      key: fc.nat(3),
      model: fc.constantFrom(...MODELS),
      prefer: fc.option(fc.record({ id: anId, strength })),
      avoid: fc.subarray(IDS, { maxLength: 2 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      at: fc.nat(),
      outcome: fc.nat(outcomes.length - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(6_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('add', 'remove', 'enable', 'disable', 'clear', 'refreshed', 'refused'),
      id: anId,
    }),
  },
);

const someConcurrency = fc.constantFrom(1, 1, 2);

interface Visit {
  readonly ask: AccountAsk;
  readonly abort: AbortController;
  readonly outcome: ReturnType<typeof watch>;
  isReleased: boolean;
}

t.test('whatever happens in whatever order, nobody is forgotten and nothing leaks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80 }), someConcurrency, async (steps, concurrency) => {
      const { pool, clock, lease } = world(['a', 'b'], {
        concurrency,
        maxQueue: 12,
        queueTimeoutMs: 8_000,
      });
      pool.add(refreshRecord('c', 't'));
      const visits: Visit[] = [];
      const held = (): Visit[] => visits.filter((one) => one.outcome.lease !== null && !one.isReleased);
      const waiting = (): Visit[] => visits.filter((one) => one.outcome.ends === 0);
      for (const step of steps) {
        const before = new Set(held());
        switch (step.do) {
          case 'lease': {
            const ask = { keyId: `k${step.key}`, model: step.model, prefer: step.prefer, avoid: step.avoid };
            const abort = new AbortController();
            visits.push({ ask, abort, outcome: watch(lease(ask, abort.signal)), isReleased: false });
            break;
          }
          case 'release': {
            const one = held()[step.at % Math.max(1, held().length)];
            if (one === undefined) break;
            one.isReleased = true;
            one.outcome.lease?.release(outcomes[step.outcome] ?? null);
            one.outcome.lease?.release(null);
            break;
          }
          case 'abort':
            visits[step.at % Math.max(1, visits.length)]?.abort.abort(new Error('left'));
            break;
          case 'advance':
            clock.advance(step.ms);
            break;
          default:
            administer(pool, step.do, step.id);
        }
        await settle();
        assertSound(pool, held(), waiting());
        for (const one of held()) if (!before.has(one)) assertRoom(pool, one, held());
      }
      for (const one of held()) one.outcome.lease?.release(null);
      clock.advance(8_000);
      await settle();
      for (const one of held()) one.outcome.lease?.release(null);
      await settle();
      if (visits.some(({ outcome }) => outcome.ends !== 1)) throw new Error('somebody was forgotten');
      if (pool.inFlight + pool.waiting !== 0) throw new Error('something leaks');
      if (pool.views().some(({ inFlight }) => inFlight !== 0))
        throw new Error('an account is not free again');
    }),
    { numRuns: 150 },
  );
});

type Pool = ReturnType<typeof createPool>;

function administer(pool: Pool, verb: string, id: string): void {
  if (verb === 'add') pool.add(id < 'c' ? accountRecord(id) : refreshRecord(id, null));
  else if (verb === 'remove') pool.remove(id);
  else if (verb === 'enable') pool.enable(id);
  else if (verb === 'disable') pool.disable(id, 'by hand');
  else if (verb === 'clear') pool.clearErrors(id);
  else if (id < 'c') return;
  else if (verb === 'refreshed') pool.refreshed(id, { token: `fresh-${id}`, expiresMs: null });
  else pool.refreshFailed(id, 'refused', 'invalid_grant');
}

/** The books agree, and nobody waits in vain or for what he could have. */
function assertSound(pool: Pool, held: readonly Visit[], waiting: readonly Visit[]): void {
  if (pool.inFlight !== held.length) throw new Error(`${pool.inFlight} in flight, ${held.length} held`);
  if (pool.waiting !== waiting.length) throw new Error(`${pool.waiting} wait, not ${waiting.length}`);
  const views = pool.views();
  const usable = views.filter(({ state }) => state !== 'quarantined' && state !== 'disabled');
  if (pool.usable !== usable.length) throw new Error('miscounts what can be used');
  for (const { ask } of waiting) {
    const serving = usable.filter(
      ({ id, limits }) =>
        (ask.prefer?.strength !== 'must' || ask.prefer.id === id) &&
        limits.every(({ model }) => model !== null && model !== ask.model),
    );
    if (serving.length === 0) throw new Error('waits in vain');
    // A pause does not show while a token is missing, but it comes with a concurrency of one.
    const isFree = serving.some(
      ({ state, inFlight, concurrency }) =>
        state === 'ready' || (state === 'needs_refresh' && inFlight < concurrency && concurrency > 1),
    );
    if (isFree) throw new Error('waits for what he could have');
  }
}

function assertRoom(pool: Pool, { ask, outcome }: Visit, held: readonly Visit[]): void {
  const id = outcome.lease?.id ?? '';
  const view = pool.view(id);
  if (view === null) throw new Error('served by nobody');
  const count = held.filter((one) => one.outcome.lease?.id === id).length;
  if (count > view.concurrency) throw new Error(`${count} at once on ${id}`);
  if (view.state === 'quarantined' || view.state === 'disabled') throw new Error(`served by ${view.state}`);
  if (view.limits.some(({ model }) => model === null || model === ask.model)) throw new Error('limited');
  if (ask.prefer?.strength === 'must' && ask.prefer.id !== id) throw new Error('not at home');
}
