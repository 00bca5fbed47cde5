import fc from 'fast-check';
import t from 'tap';
import { Affinity } from '../../src/accounts/affinity.ts';
import type { AffinityOptions } from '../../src/accounts/affinity.ts';
import { createAccessTokens } from '../../src/accounts/access-tokens.ts';
import { createCallerLimits } from '../../src/accounts/caller-limits.ts';
import { callerFingerprint } from '../../src/accounts/fingerprint.ts';
import { createLeases } from '../../src/accounts/leases.ts';
import { createPool } from '../../src/accounts/pool.ts';
import type { Lease } from '../../src/chat/ports.ts';
import type { Caller, Identity, Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import { createWays } from '../../src/outbound/ways.ts';

const never = new AbortController().signal;
const own = (token: string, accountId: string | null = null): Caller => ({
  kind: 'own',
  credential: { kind: 'access', token, accountId },
});
const alice = own('alice');
const bob = own('bob');
const turnIn = (conversationId: string | null): Turn => ({
  model: { slug: 'auto', gizmoId: null },
  messages: [],
  keepHistory: true,
  conversationId,
  parentMessageId: null,
  hints: [],
});

function world(given: Partial<AffinityOptions> = {}) {
  const clock = { ms: 0 };
  const affinity = new Affinity({ maxEntries: 100, idleMs: 1_000, nowMs: () => clock.ms, ...given });
  let devices = 0;
  const accounts = createLeases({
    pool: createPool({
      concurrency: 2,
      honoursLimits: true,
      maxQueue: 0,
      queueTimeoutMs: 1_000,
      onChange: () => {},
      onTransition: () => {},
    }),
    tokens: createAccessTokens({
      refresh: () => Promise.reject(new Error('nobody has a refresh token here')),
      nowMs: Date.now,
      random: () => 0.5,
      onRefreshed: () => {},
      onFailed: () => {},
    }),
    ways: createWays({
      exits: [0, 1, 2, 3, 4].map((exit) => `exit-${exit}`),
      gateways: ['http://a', 'http://b/', 'http://c'],
      nowMs: () => clock.ms,
      random: Math.random,
      onEvent: () => {},
    }),
    callerLimits: createCallerLimits({ honoursLimits: true, nowMs: () => clock.ms }),
    newId: () => `device-${(devices += 1)}`,
    affinity,
  });
  const lease = (caller: Caller, conversationId: string | null = null): Promise<Lease> =>
    accounts.lease(caller, turnIn(conversationId), [], never);
  return { affinity, accounts, clock, lease };
}

t.test('a conversation goes on where it began; others are spread', async (t) => {
  const { lease } = world();
  const homes = [];
  for (let i = 0; i < 30; i += 1) {
    const begun = await lease(alice);
    begun.keep(`c-${i}`, `m-${i}`);
    homes.push(begun.session);
  }
  for (const origin of ['http://a', 'http://b', 'http://c']) {
    t.equal(homes.filter((home) => home.origin === origin).length > 4, true, origin);
  }
  t.equal(new Set(homes.map(({ exit }) => exit)).size, 5);
  for (const [i, home] of homes.entries()) {
    const again = await lease(alice, `c-${i}`);
    t.strictSame(again.session, home);
    t.equal(again.lastMessageId, `m-${i}`);
  }
});

t.test("nobody lands on another's session by his conversation's id", async (t) => {
  const { lease } = world();
  const begun = await lease(alice);
  begun.keep('c', 'm');
  const others: [Caller, Identity][] = [
    [bob, { token: 'bob', accountId: null }],
    [own('alice', 'team'), { token: 'alice', accountId: 'team' }],
    [{ kind: 'visitor' }, { token: null, accountId: null }],
  ];
  for (const [other, identity] of others) {
    const taken = await lease(other, 'c');
    t.equal(taken.lastMessageId, null);
    t.not(taken.session.deviceId, begun.session.deviceId);
    t.strictSame(taken.session.identity, identity);
    taken.keep('c', 'theirs');
  }
  t.match(await lease(alice, 'c'), { lastMessageId: 'm', session: begun.session });
});

t.test('an unknown conversation simply runs, and is known from then on', async (t) => {
  const { lease } = world();
  const first = await lease(alice, 'from-elsewhere');
  t.equal(first.lastMessageId, null);
  first.keep('from-elsewhere', 'm');
  t.strictSame((await lease(alice, 'from-elsewhere')).session, first.session);
});

t.test('a way that failed is left, one that did not is kept', async (t) => {
  const { lease } = world();
  const begun = await lease(alice);
  begun.keep('c', 'm');
  for (const code of ['conversation_not_found', 'rate_limit_exceeded', 'proxy_overloaded'] as const) {
    (await lease(alice, 'c')).release(new ChatError(code, 'no'));
    t.strictSame((await lease(alice, 'c')).session, begun.session, code);
  }
  for (const code of ['upstream_unreachable', 'upstream_error'] as const) {
    const before = await lease(alice, 'c');
    before.release(new ChatError(code, 'no'));
    const after = await lease(alice, 'c');
    t.not(after.session.origin, before.session.origin, code);
    t.equal(after.session.deviceId, before.session.deviceId, 'still the same device');
    t.equal(after.lastMessageId, 'm', 'and the same place');
    after.keep('c', 'm');
    before.release(new ChatError(code, 'no'));
    t.strictSame((await lease(alice, 'c')).session, after.session, 'released twice counts once');
  }
});

t.test('a late failure of the old way does not undo the new one', (t) => {
  const { affinity } = world();
  const way = (origin: string) => ({ origin, exit: 'x' });
  affinity.keep('o', 'c', { account: null, way: way('new'), deviceId: 'd', lastMessageId: null });
  affinity.leave('o', 'c', way('old'));
  affinity.leave('o', 'never-seen', way('old'));
  t.strictSame(affinity.find('o', 'c')?.way, way('new'));
  t.equal(affinity.size, 1);
  t.end();
});

t.test('what nobody asks for is forgotten in time; asking starts the time anew', (t) => {
  const { affinity, clock } = world();
  const known = { account: null, way: null, deviceId: 'd', lastMessageId: 'm' };
  affinity.keep('o', 'used', known);
  affinity.keep('o', 'idle', known);
  clock.ms = 900;
  t.match(affinity.find('o', 'used'), known);
  clock.ms = 1_000;
  t.equal(affinity.find('o', 'idle'), null);
  clock.ms = 1_899;
  t.match(affinity.find('o', 'used'), known);
  clock.ms = 10_000;
  t.equal(affinity.find('o', 'used'), null);
  t.equal(affinity.size, 0);
  t.end();
});

t.test('the table never outgrows its bound, and drops what was used longest ago', (t) => {
  const known = { account: null, way: null, deviceId: 'd', lastMessageId: null };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 9 }))), (steps) => {
      const { affinity } = world({ maxEntries: 4 });
      let model: string[] = [];
      for (const [isKeep, id] of steps) {
        const name = `c-${id}`;
        const isKnown = model.includes(name);
        if (isKeep) affinity.keep('o', name, known);
        else if ((affinity.find('o', name) !== null) !== isKnown) return false;
        if (isKeep || isKnown) model = [...model.filter((other) => other !== name), name].slice(-4);
        if (affinity.size !== model.length) return false;
      }
      return true;
    }),
  );
  const { affinity } = world();
  affinity.keep('o', 'x'.repeat(10_000), known);
  t.equal(affinity.size, 0, 'what is no id is not kept');
  t.end();
});

t.test("a guess at how long a caller's own limit lasts is a short one again after a success", async (t) => {
  const { lease, clock } = world();
  const told = async (): Promise<number | null> => {
    const leased = await lease(alice);
    leased.release(new ChatError('rate_limit_exceeded', 'no time is told', { limit: 'account' }));
    const refused = await lease(alice).catch((error: unknown) => error as ChatError);
    return refused instanceof ChatError ? refused.retryAfterS : null;
  };
  t.equal(await told(), 60);
  clock.ms += 60_000;
  t.equal(await told(), 120, 'twice as long when nothing went well between');
  clock.ms += 120_000;
  (await lease(alice)).release(null);
  t.equal(await told(), 60);
});

t.test('a fingerprint tells callers apart and shows no token', (t) => {
  const key: Caller = { kind: 'key', keyId: 'k', accountId: null };
  const callers: Caller[] = [alice, bob, own('alice', 'x'), { kind: 'visitor' }, key, own('k')];
  const prints = callers.map(callerFingerprint);
  t.equal(new Set(prints).size, 6);
  for (const print of prints) t.notMatch(print, /alice|bob|\s/);
  t.equal(callerFingerprint(alice), callerFingerprint({ ...alice }));
  t.end();
});
