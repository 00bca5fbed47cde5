import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Session } from '../../src/chat/ports.ts';
import type { Caller } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import type { Answer, Exchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createModelLists } from '../../src/upstream/models.ts';
import type { ModelListsOptions } from '../../src/upstream/models.ts';
import { startGateway } from '../helpers/gateway.ts';

const never = new AbortController().signal;
const profile = { userAgent: 'Test/1.0', authKey: null };
const MINUTE = 60_000;

const callerOf = (token: string | null, accountId: string | null = null): Caller =>
  token === null ? { kind: 'visitor' } : { kind: 'own', credential: { kind: 'access', token, accountId } };
const sessionOf = (token: string | null, origin = 'http://a'): Session => ({
  origin,
  identity: { token, accountId: null },
  account: null,
  deviceId: 'd',
  exit: DIRECT,
});
const json = (status: number, value: unknown): Answer => ({
  status,
  headers: {},
  contentType: 'application/json',
  text: typeof value === 'string' ? value : JSON.stringify(value),
});
const listOf = (...slugs: unknown[]): Answer => json(200, { models: slugs.map((slug) => ({ slug })) });

/** Lists whose exchange gives `answers` in turn, the last one for ever. */
function world(answers: readonly Answer[], given: Partial<ModelListsOptions> = {}) {
  const clock = { ms: 0 };
  const asked: string[] = [];
  const exchange: Exchange = ({ origin, path }) => {
    const answer = answers[Math.min(asked.push(`${origin}${path}`), answers.length) - 1];
    return answer === undefined
      ? Promise.reject(new ChatError('upstream_unreachable', 'no'))
      : Promise.resolve(answer);
  };
  const visit = async (caller: Caller): Promise<Session> => {
    if (caller.kind !== 'own') return sessionOf(null);
    return { ...sessionOf(null), identity: caller.credential };
  };
  const options = { exchange, profile, origins: ['http://a/', 'http://b'], visit, nowMs: () => clock.ms };
  return { clock, asked, ...createModelLists({ ...options, ...given }) };
}

t.test('a list is asked for once in ten minutes, for each account and gateway', async (t) => {
  const { list, own, clock, asked } = world([listOf('gpt-4o', 'o1', 'o1', 7, 'no slug', '')]);
  t.strictSame(await list(sessionOf('x'), never), ['gpt-4o', 'o1']);
  clock.ms = 10 * MINUTE - 1;
  t.strictSame(await list(sessionOf('x'), never), ['gpt-4o', 'o1']);
  t.strictSame(await own(callerOf('x'), never), ['gpt-4o', 'o1']);
  t.strictSame(asked, ['http://a/backend-api/models']);
  clock.ms = 10 * MINUTE;
  await list(sessionOf('x'), never);
  await list(sessionOf('y'), never);
  await list(sessionOf('x', 'http://b'), never);
  await list(sessionOf(null), never);
  await own(callerOf('x', 'team'), never);
  t.strictSame(asked.slice(1), [
    'http://a/backend-api/models',
    'http://a/backend-api/models',
    'http://b/backend-api/models',
    'http://a/backend-anon/models',
    'http://a/backend-api/models',
  ]);
  t.equal(await own(callerOf(null, null), never), null);
  t.equal(asked.length, 6, 'a visitor has none of his own');
});

t.test("the caller's list by whichever gateway will do", async (t) => {
  const { list, own, asked } = world([listOf('o1')]);
  await list(sessionOf('x', 'http://b'), never);
  t.strictSame(await own(callerOf('x'), never), ['o1']);
  t.equal(asked.length, 1);
  const half = world([json(500, {}), listOf('o1')]);
  await half.list(sessionOf('x'), never);
  await half.list(sessionOf('x', 'http://b'), never);
  t.strictSame(await half.own(callerOf('x'), never), ['o1'], 'one gateway is ill');
});

t.test('a failure says whose it is, and is tried again soon', async (t) => {
  const jwt = { detail: { message: 'Expired', code: 'token_expired' } };
  const cases: [Answer[], string][] = [
    [[json(401, jwt)], 'account_unauthorized'],
    [[json(403, '<html>cf_chl_opt')], 'upstream_challenge'],
    [[json(500, {})], 'model_not_found'],
    [[json(404, {})], 'model_not_found'],
    [[json(200, 'no json')], 'model_not_found'],
    [[json(200, { models: null })], 'model_not_found'],
    [[], 'model_not_found'],
  ];
  for (const [answers, code] of cases) {
    const { list, own } = world(answers);
    t.match(await list(sessionOf('x'), never), { code });
    t.equal(await own(callerOf('x'), never), null);
  }
  const { list, clock, asked } = world([json(500, {}), listOf('o1')]);
  t.match(await list(sessionOf('x'), never), { message: /Failed to get.*500/ });
  await list(sessionOf('x'), never);
  t.equal(asked.length, 1);
  clock.ms = MINUTE;
  t.strictSame(await list(sessionOf('x'), never), ['o1']);
});

t.test('the table is bounded', async (t) => {
  const { list, asked } = world([listOf('o1')], { maxLists: 2 });
  for (const token of ['x', 'y', 'z', 'z', 'y', 'x']) await list(sessionOf(token), never);
  t.equal(asked.length, 4, 'x was dropped for z');
});

t.test('asked for at the same time, a list is fetched once, and by nobody who left', async (t) => {
  const gateway = await startGateway(t, { models: () => null });
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(() => exits.destroy());
  const { list } = world([], { exchange: createExchange(exits), timeoutMs: 300 });
  const session = sessionOf('x', gateway.url);
  const [first, second] = [new AbortController(), new AbortController()];
  const gone = new Error('gone');
  const asking = [first, second].map(({ signal }) =>
    list(session, signal).catch((reason: unknown) => reason),
  );
  while (gateway.calls.length === 0) await sleep(5);
  first.abort(gone);
  t.equal(await asking[0], gone, 'at once');
  const third = list(session, never);
  second.abort(gone);
  t.equal(await asking[1], gone);
  t.match(await third, { code: 'model_not_found', message: /0\.3 s/ }, 'the deadline');
  t.equal(gateway.calls.length, 1);
  const alone = new AbortController();
  const { list: fresh } = world([], { exchange: createExchange(exits) });
  const left = fresh(session, alone.signal).catch((reason: unknown) => reason);
  while (gateway.calls.length === 1) await sleep(5);
  alone.abort(gone);
  t.equal(await left, gone);
  t.ok(await gateway.closed(2), 'the connection goes with the last who waited');
});
