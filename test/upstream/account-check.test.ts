import t from 'tap';
import type { Test } from 'tap';
import type { Session } from '../../src/chat/ports.ts';
import { ChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createSandbox } from '../../src/sandbox/server.ts';
import type { Scenario } from '../../src/sandbox/scenario.ts';
import { createAccountCheck } from '../../src/upstream/account-check.ts';
import type { CheckedAccount } from '../../src/upstream/account-check.ts';
import { send, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';

const CANARY = 'eyJhbGciOi.canary-token.x';

function checkOf(t: Test, origin: string): (token?: string, accountId?: string) => Promise<CheckedAccount> {
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(() => exits.destroy());
  const profile = { userAgent: 'Test/1', authKey: null };
  const check = createAccountCheck({ exchange: createExchange(exits), profile, timeoutMs: 2_000 });
  return (token = CANARY, accountId) => {
    const session: Session = {
      origin,
      identity: { token, accountId: accountId ?? null },
      account: 'a-1',
      deviceId: '11111111-1111-4111-8111-111111111111',
      exit: DIRECT,
    };
    return check(session, new AbortController().signal);
  };
}

async function failureOf(promise: Promise<unknown>): Promise<ChatError> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ChatError)) throw new Error('expected a ChatError');
  return thrown;
}

/** A gateway that answers each GET by its path's end. */
function gateway(t: Test, answers: Readonly<Record<string, (asked: Asked) => void>>): Promise<Upstream> {
  return startUpstream(t, {
    landing: (asked) => {
      const answer = Object.entries(answers).find(([end]) => asked.path.endsWith(end))?.[1];
      if (answer === undefined) sendJson(asked, 404, { detail: 'Not Found' });
      else answer(asked);
    },
  });
}

t.test('the sandbox tells plans and refuses whom the backend would', async (t) => {
  const defaults: Partial<Scenario> = {};
  const sandbox = createSandbox({ host: '127.0.0.1', port: 0, defaults });
  const { port } = await sandbox.listen();
  t.teardown(() => sandbox.close());
  const check = checkOf(t, `http://127.0.0.1:${port}`);
  t.same(await check('eyJhbGciOi.team.x'), { ok: true, plan: 'team' });
  t.same(await check('eyJhbGciOi.free.x', 'some-workspace'), { ok: true, plan: 'free' });
  for (const name of ['expired', 'deactivated']) {
    const failure = await failureOf(check(`eyJhbGciOi.${name}-canary.x`));
    t.match(failure, { code: 'account_unauthorized', message: new RegExp(name) });
    t.notMatch(failure.message, /canary/);
  }
});

t.test('the workspace that is asked for counts', async (t) => {
  const entry = (plan: unknown, is_deactivated = false) => ({ account: { plan_type: plan, is_deactivated } });
  let accounts: unknown = { w1: entry('team'), w2: entry('pro'), default: entry('plus') };
  const upstream = await gateway(t, {
    'v4-2023-04-27': (asked) => sendJson(asked, 200, { accounts, account_ordering: ['w2', 'w1'] }),
  });
  const check = checkOf(t, upstream.origin);
  const planOf = async (workspace?: string): Promise<string | null> => (await check(CANARY, workspace)).plan;
  t.same([await planOf('w1'), await planOf(), await planOf('w9')], ['team', 'plus', 'plus']);
  t.match(upstream.asked[0], {
    path: '/backend-api/accounts/check/v4-2023-04-27',
    headers: { authorization: `Bearer ${CANARY}`, 'chatgpt-account-id': 'w1' },
  });
  accounts = { w1: entry('team'), w2: entry('pro') };
  t.equal(await planOf(), 'pro', 'the first of the order');
  for (const odd of [{}, { w2: null }, { w2: entry(7) }, { w2: entry('<b>') }]) {
    accounts = odd;
    t.equal(await planOf(), null);
  }
  accounts = { w2: entry('pro', true) };
  t.match(await failureOf(check()), { code: 'account_unauthorized', message: /deactivated/ });
});

t.test('a gateway that does not know the call is asked for its models', async (t) => {
  const models = (asked: Asked): void => sendJson(asked, 200, { models: [] });
  const html = (asked: Asked): void => send(asked, 200, 'text/html', '<html></html>');
  for (const first of [undefined, html]) {
    const upstream = await gateway(t, { '/models': models, ...(first && { 'v4-2023-04-27': first }) });
    t.same(await checkOf(t, upstream.origin)(), { ok: true, plan: null });
  }
  const nothing = await gateway(t, {});
  t.match(await failureOf(checkOf(t, nothing.origin)()), { code: 'upstream_protocol_error' });
  const pages = await gateway(t, { '/models': html, 'v4-2023-04-27': html });
  t.match(await failureOf(checkOf(t, pages.origin)()), { code: 'upstream_protocol_error' });
});

t.test('failures are whose they are', async (t) => {
  const cases: readonly [number, string, unknown, string][] = [
    [401, 'application/json', { detail: 'Unauthorized' }, 'account_unauthorized'],
    [403, 'text/html', '<html>_cf_chl_opt</html>', 'upstream_challenge'],
    [403, 'application/json', { detail: 'Unusual activity has been detected' }, 'upstream_refused'],
    [429, 'application/json', { detail: 'Too many requests' }, 'rate_limit_exceeded'],
    [500, 'application/json', { detail: CANARY }, 'upstream_error'],
  ];
  let at = 0;
  const upstream = await gateway(t, {
    'v4-2023-04-27': (asked) => {
      const [status, type, body] = cases[at] ?? [500, '', ''];
      send(asked, status, type, typeof body === 'string' ? body : JSON.stringify(body));
    },
  });
  const check = checkOf(t, upstream.origin);
  for (; at < cases.length; at += 1) {
    const failure = await failureOf(check());
    t.equal(failure.code, cases[at]?.[3]);
    t.notMatch(failure.message, /canary/);
  }
});
