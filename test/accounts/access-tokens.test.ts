import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { createAccessTokens } from '../../src/accounts/access-tokens.ts';
import type { AccessTokens, Renewal } from '../../src/accounts/access-tokens.ts';
import { holdToken } from '../../src/accounts/held-token.ts';
import type { TokenOwner } from '../../src/accounts/records.ts';
import { createRefreshSchedule } from '../../src/accounts/refresh-schedule.ts';
import { createRefresh } from '../../src/accounts/refresh.ts';
import type { Refresh, Refreshed } from '../../src/accounts/refresh.ts';
import { ChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';
import { createSandbox } from '../../src/sandbox/server.ts';

const DAY_MS = 86_400_000;
const START_MS = 1_800_000_000_000;
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

interface World {
  readonly tokens: AccessTokens;
  /** Refresh tokens that were exchanged. */
  readonly exchanged: readonly string[];
  readonly renewals: readonly (Renewal & { readonly id: string })[];
  readonly failures: readonly { readonly id: string; readonly code: string }[];
  /** What the next exchanges come to. */
  answer: (refreshToken: string, nth: number) => Refreshed | Promise<Refreshed>;
  nowMs: number;
}

function world(maxCallers = 10_000): World {
  const exchanged: string[] = [];
  const renewals: (Renewal & { id: string })[] = [];
  const failures: { id: string; code: string }[] = [];
  const refresh: Refresh = async (refreshToken) => {
    const nth = exchanged.push(refreshToken);
    return made.answer(refreshToken, nth);
  };
  const tokens = createAccessTokens({
    refresh,
    nowMs: () => made.nowMs,
    random: () => 0.5,
    onRefreshed: (id, renewal) => void renewals.push({ id, ...renewal }),
    onFailed: (id, { code }) => void failures.push({ id, code }),
    maxCallers,
  });
  const made: World = {
    tokens,
    exchanged,
    renewals,
    failures,
    nowMs: START_MS,
    answer: (_, nth) => granted(`access-${nth}`, made.nowMs + 10 * DAY_MS),
  };
  return made;
}

function granted(token: string, expiresMs: number | null, refreshToken: string | null = null): Refreshed {
  return { token, expiresMs, refreshToken };
}

function ownerOf(refreshToken = 'r-1', access: TokenOwner['access'] = null): TokenOwner {
  return { id: 'acc-1', credential: { kind: 'refresh', token: refreshToken, accountId: null }, access };
}

function jwt(claims: object): string {
  return `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

/** Lets what was begun in the background end. */
const settle = (): Promise<void> => sleep(1);

t.test('an access token is used as it is, and an ended one of the pool is told of', async (t) => {
  const { tokens, exchanged } = world();
  const past = { kind: 'access', token: jwt({ exp: START_MS / 1000 - 1 }), accountId: null } as const;
  const opaque = { kind: 'access', token: 'fk-1', accountId: null } as const;
  t.equal(await tokens.ownTokenFor(past, NEVER), past.token);
  t.equal(await tokens.tokenFor({ id: 'a', credential: opaque, access: null }, NEVER), 'fk-1');
  const refusal = tokens.tokenFor({ id: 'a', credential: past, access: null }, NEVER);
  await t.rejects(refusal, { code: 'account_unauthorized', message: /expired/ });
  t.equal(tokens.dueMs({ id: 'a', credential: past, access: null }), Infinity);
  t.same(exchanged, []);
});

t.test('a token is used while it lasts, and fetched anew behind the back of its users', async (t) => {
  const one = world();
  one.answer = (_, nth) =>
    granted(
      jwt({ n: nth, 'https://api.openai.com/auth': { chatgpt_plan_type: 'plus' } }),
      one.nowMs + 10 * DAY_MS,
    );
  const first = await one.tokens.tokenFor(ownerOf(), NEVER);
  t.match(one.renewals, [{ id: 'acc-1', access: { token: first }, refreshToken: null, plan: 'plus' }]);
  const due = one.tokens.dueMs(ownerOf());
  t.ok(due >= START_MS + 9 * DAY_MS && due <= START_MS + 9.5 * DAY_MS, 'ahead by 5 to 10 % of its life');
  one.nowMs = due - 1;
  t.equal(await one.tokens.tokenFor(ownerOf(), NEVER), first);
  await settle();
  t.equal(one.exchanged.length, 1);
  one.nowMs = due;
  const during = await Promise.all(Array.from({ length: 50 }, () => one.tokens.tokenFor(ownerOf(), NEVER)));
  t.same(new Set(during), new Set([first]), 'nobody waits');
  await settle();
  t.equal(one.exchanged.length, 2);
  t.not(await one.tokens.tokenFor(ownerOf(), NEVER), first);
});

t.test('an exchange ahead of need that fails is tried again, not at every use', async (t) => {
  const one = world();
  const access = { token: 'kept', expiresMs: START_MS + DAY_MS };
  one.answer = () => Promise.reject(new ChatError('upstream_error', 'unwell'));
  t.equal(await one.tokens.tokenFor(ownerOf('r-1', access), NEVER), 'kept');
  one.nowMs = one.tokens.dueMs(ownerOf());
  for (let i = 0; i < 20; i += 1) {
    t.equal(await one.tokens.tokenFor(ownerOf('r-1', access), NEVER), 'kept');
    await settle();
  }
  t.equal(one.exchanged.length, 1);
  t.same(one.failures, [{ id: 'acc-1', code: 'upstream_error' }]);
  one.nowMs += 60_000;
  await one.tokens.tokenFor(ownerOf(), NEVER);
  await settle();
  t.equal(one.exchanged.length, 2);
  one.nowMs = access.expiresMs;
  await t.rejects(one.tokens.tokenFor(ownerOf(), NEVER), { code: 'upstream_error' }, 'now it is needed');
});

t.test('an ended token makes all wait for one exchange, and whoever leaves goes alone', async (t) => {
  const one = world();
  let answerNow: (refreshed: Refreshed) => void = () => {};
  one.answer = () => new Promise((resolve) => (answerNow = resolve));
  const ended = ownerOf('r-1', { token: 'ended', expiresMs: START_MS - 1 });
  t.equal(one.tokens.dueMs(ended) <= START_MS, true);
  const leaving = new AbortController();
  const impatient = one.tokens.tokenFor(ended, leaving.signal);
  const crowd = Array.from({ length: 1_000 }, () => one.tokens.tokenFor(ended, NEVER));
  leaving.abort(new Error('left'));
  await t.rejects(impatient, /left/);
  answerNow(granted('fresh', START_MS + DAY_MS));
  t.same(new Set(await Promise.all(crowd)), new Set(['fresh']));
  t.equal(one.exchanged.length, 1);
  t.equal(one.renewals.length, 1);
  await t.rejects(one.tokens.tokenFor(ended, AbortSignal.abort(new Error('gone'))), /gone/);
});

t.test('50 requests that were all refused make one exchange', async (t) => {
  const one = world();
  const [used] = await Promise.all(Array.from({ length: 50 }, () => one.tokens.tokenFor(ownerOf(), NEVER)));
  t.equal(used, 'access-1');
  one.nowMs += 60_000;
  const next = await Promise.all(
    Array.from({ length: 50 }, async () => {
      one.tokens.refused('access-1');
      t.equal(one.exchanged.length <= 2, true);
      return one.tokens.tokenFor(ownerOf(), NEVER);
    }),
  );
  t.same(new Set(next), new Set(['access-2']));
  t.equal(one.exchanged.length, 2);

  one.tokens.refused('access-1');
  t.equal(
    await one.tokens.tokenFor(ownerOf(), NEVER),
    'access-2',
    'a late refusal of the old one is nothing',
  );
  t.equal(one.exchanged.length, 2);
});

t.test('a fresh token that is refused too is not exchanged again at once', async (t) => {
  const one = world();
  await one.tokens.tokenFor(ownerOf(), NEVER);
  for (let i = 0; i < 20; i += 1) {
    one.tokens.refused('access-1');
    await t.rejects(one.tokens.tokenFor(ownerOf(), NEVER), { code: 'account_unauthorized' });
  }
  t.equal(one.exchanged.length, 1);
  one.nowMs += 10_000;
  t.equal(await one.tokens.tokenFor(ownerOf(), NEVER), 'access-2');

  one.answer = () => granted('access-2', one.nowMs + DAY_MS);
  one.nowMs += 10_000;
  one.tokens.refused('access-2');
  await t.rejects(one.tokens.tokenFor(ownerOf(), NEVER), { code: 'account_unauthorized' }, 'the same again');
  t.equal(one.exchanged.length, 3);
});

t.test('what is newer counts, be it ours or the pool’s', async (t) => {
  const one = world();
  const stale = ownerOf('r-1', { token: 'old', expiresMs: START_MS + 20 * DAY_MS });
  t.equal(await one.tokens.tokenFor(stale, NEVER), 'old');
  one.tokens.refused('old');
  t.equal(await one.tokens.tokenFor(stale, NEVER), 'access-1');
  t.equal(
    await one.tokens.tokenFor(stale, NEVER),
    'access-1',
    'the pool lags behind, with an end that is later',
  );
  t.equal(one.exchanged.length, 1);
  const earlier = ownerOf('r-1', { token: 'earlier', expiresMs: START_MS + DAY_MS });
  t.equal(await one.tokens.tokenFor(earlier, NEVER), 'access-1');
  const imported = ownerOf('r-2', { token: 'imported', expiresMs: START_MS + 20 * DAY_MS });
  t.equal(await one.tokens.tokenFor(imported, NEVER), 'imported');
  one.tokens.forget('acc-1');
  t.equal(await one.tokens.tokenFor(earlier, NEVER), 'earlier', 'a new account of that name');
});

t.test('the operator can exchange at any time, at the same time as everybody else', async (t) => {
  const one = world();
  await one.tokens.tokenFor(ownerOf(), NEVER);
  one.answer = (_, nth) => granted(`access-${nth}`, null, 'r-2');
  const both = await Promise.all([1, 2].map(() => one.tokens.refreshNow(ownerOf(), NEVER)));
  t.match(both, [{ refreshToken: 'r-2', access: { token: 'access-2' } }, { access: { token: 'access-2' } }]);
  t.equal(one.exchanged.length, 2);
  t.equal(await one.tokens.tokenFor(ownerOf('r-2'), NEVER), 'access-2');
  t.equal(one.tokens.dueMs(ownerOf('r-2')), Infinity, 'nobody knows its end');
});

t.test('callers with refresh tokens of their own are few enough to be remembered', async (t) => {
  const one = world(3);
  const own = (token: string) => one.tokens.ownTokenFor({ kind: 'refresh', token, accountId: null }, NEVER);
  const first = await own('a');
  t.equal(await own('a'), first);
  t.same(one.exchanged, ['a']);
  for (const token of ['b', 'c', 'a', 'd', 'a']) await own(token);
  t.same(one.exchanged, ['a', 'b', 'c', 'd']);
  await own('b');
  t.same(one.exchanged, ['a', 'b', 'c', 'd', 'b'], 'who was not seen for longest is forgotten');
  one.nowMs += 3_600_000;
  await own('a');
  t.equal(one.exchanged.length, 6, 'and who was not seen for an hour');
  one.tokens.refused(await own('a'));
  one.nowMs += 10_000;
  await own('a');
  t.equal(one.exchanged.length, 7);
  t.same([one.renewals, one.failures], [[], []], 'none of the pool’s business');
});

t.test('the time ahead lies within the life left, at different points', (t) => {
  const random = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 30 * DAY_MS }), random, (lifeMs, at) => {
      const expiresMs = START_MS + lifeMs;
      const { aheadMs, endMs } = holdToken({ token: 'x', expiresMs }, START_MS, at, -Infinity);
      const leadMs = expiresMs - aheadMs;
      if (aheadMs < START_MS || aheadMs > endMs || endMs > expiresMs) return false;
      if (leadMs > lifeMs / 2) return false;
      return lifeMs < 20 * 60_000 || (leadMs >= 5 * 60_000 && leadMs <= Math.max(10 * 60_000, lifeMs * 0.1));
    }),
  );
  const leads = [0, 0.3, 0.6, 0.9].map(
    (at) => holdToken({ token: 'x', expiresMs: START_MS + DAY_MS }, START_MS, at, 0).aheadMs,
  );
  t.equal(new Set(leads).size, 4);
  t.end();
});

t.test('on schedule, accounts are refreshed one after another, the most urgent first', async (t) => {
  const one = world();
  let inFlight = 0;
  let highest = 0;
  one.answer = async (refreshToken, nth) => {
    highest = Math.max(highest, (inFlight += 1));
    await sleep(1);
    inFlight -= 1;
    if (refreshToken === 'r-5') throw new ChatError('upstream_error', 'unwell');
    return granted(`access-${nth}`, one.nowMs + 10 * DAY_MS);
  };
  const owners = Array.from({ length: 12 }, (_, index): TokenOwner => ({
    id: `acc-${index}`,
    credential:
      index === 3
        ? { kind: 'access', token: 'fk-1', accountId: null }
        : { kind: 'refresh', token: `r-${index}`, accountId: null },
    access:
      index < 8
        ? { token: `old-${index}`, expiresMs: START_MS - index }
        : { token: `good-${index}`, expiresMs: START_MS + DAY_MS },
  }));
  const schedule = createRefreshSchedule({
    owners: () => owners,
    tokens: one.tokens,
    nowMs: () => one.nowMs,
    random: () => 0.5,
    spacingMs: 1,
    pollMs: 5,
  });
  t.teardown(() => schedule.close());
  while (one.renewals.length < 6) await sleep(5);
  await sleep(50);
  t.same(one.exchanged, ['r-7', 'r-6', 'r-5', 'r-4', 'r-2', 'r-1', 'r-0'], 'each once, the good ones not');
  t.equal(highest, 1);
  one.nowMs += 60_000;
  while (one.exchanged.length < 8) await sleep(5);
  t.equal(one.exchanged.at(-1), 'r-5', 'what failed has its turn again later');
  one.nowMs += 2 * DAY_MS;
  while (one.exchanged.length < 12) await sleep(5);
  schedule.close();
  schedule.close();
  await sleep(30);
  const after = one.exchanged.length;
  one.nowMs += 30 * DAY_MS;
  await sleep(30);
  t.equal(one.exchanged.length, after, 'closed is closed');
});

t.test('ten thousand ended tokens at the start are no stampede', async (t) => {
  const one = world();
  const owners = Array.from({ length: 10_000 }, (_, index) => ({
    ...ownerOf(`r-${index}`),
    id: `acc-${index}`,
  }));
  const schedule = createRefreshSchedule({
    owners: () => owners,
    tokens: one.tokens,
    nowMs: () => one.nowMs,
    random: Math.random,
    spacingMs: 40,
  });
  await sleep(400);
  schedule.close();
  t.ok(one.exchanged.length >= 1 && one.exchanged.length <= 21, String(one.exchanged.length));
});

t.test('a service that is down is asked less and less', async (t) => {
  const one = world();
  one.answer = () => Promise.reject(new ChatError('upstream_unreachable', 'down'));
  const owners = Array.from({ length: 100 }, (_, index) => ({
    ...ownerOf(`r-${index}`),
    id: `acc-${index}`,
  }));
  const schedule = createRefreshSchedule({
    owners: () => owners,
    tokens: one.tokens,
    nowMs: () => one.nowMs,
    random: () => 0.5,
    spacingMs: 2,
  });
  await sleep(400);
  schedule.close();
  t.ok(one.exchanged.length >= 2 && one.exchanged.length <= 9, String(one.exchanged.length));
});

t.test('against the sandbox: a rotated grant goes on, a refused one does not', async (t) => {
  const sandbox = createSandbox({
    host: '127.0.0.1',
    port: 0,
    defaults: { rotateRefreshTokens: true, accessTokenLifetimeS: 600 },
  });
  const { port } = await sandbox.listen();
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(async () => {
    await exits.destroy();
    await sandbox.close();
  });
  const told: unknown[] = [];
  let skewMs = 0;
  const clock = { nowMs: () => Date.now() + skewMs, random: Math.random };
  const tokens = createAccessTokens({
    ...clock,
    refresh: createRefresh({
      ...clock,
      exchange: createExchange(exits),
      url: `http://127.0.0.1:${port}/oauth/token`,
      userAgent: 'Test/1',
      exit: () => exits.pick(),
    }),
    onRefreshed: (_, { refreshToken, plan }) => void told.push({ plan, length: refreshToken?.length }),
    onFailed: (_, { code, message }) => void told.push({ code, message }),
  });
  const root = `team-canary-${'x'.repeat(33)}`;
  const first = await tokens.tokenFor(ownerOf(root), NEVER);
  skewMs = 600_000;
  const second = await tokens.tokenFor(ownerOf(root), NEVER);
  t.not(second, first);
  const own = await tokens.ownTokenFor({ kind: 'refresh', token: root, accountId: null }, NEVER);
  t.not(own, second, 'a caller with the same grant');
  const revoked = `revoked-canary-${'x'.repeat(30)}`;
  await t.rejects(tokens.tokenFor({ ...ownerOf(revoked), id: 'acc-2' }, NEVER), {
    code: 'account_unauthorized',
  });
  const granted = { plan: 'team', length: 45 };
  t.match(told, [granted, granted, { code: 'account_unauthorized' }]);
  t.notMatch(JSON.stringify(told), /canary/);
});
