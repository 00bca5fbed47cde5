import { request } from 'node:http';
import t from 'tap';
import {
  ANON,
  API,
  startSandbox,
  turn,
  until,
  type BackendClient,
  type Headers,
  type Reply,
} from './backend-client.ts';

const REFRESH = refreshTokenOf('plain');
const FORM = {
  client_id: 'pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh',
  grant_type: 'refresh_token',
  redirect_uri: 'com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback',
};
const NOW_S = 1_720_000_000;

interface Granted {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in: number;
}

interface Accounts {
  readonly accounts: readonly {
    readonly name: string;
    readonly conversations: number;
    readonly open: number;
    readonly highestOpen: number;
    readonly refusals: Readonly<Record<string, number>>;
    readonly limitsIgnored: number;
  }[];
  readonly exchanges: { readonly granted: number; readonly refused: number };
}

/** A refresh token of the right length whose name tells its part. */
function refreshTokenOf(name: string): string {
  return `${name}-${'Ab_9'.repeat(12)}`.slice(0, 45);
}

/** An access token whose name does. */
function bearerOf(name: string): string {
  return `Bearer eyJhbGciOi.${name}.x`;
}

function exchange(client: BackendClient, fields: object = { refresh_token: REFRESH }): Promise<Reply> {
  return client.call('POST', '/oauth/token', { 'content-type': 'application/json' }, { ...FORM, ...fields });
}

async function granted(client: BackendClient, refreshToken = REFRESH): Promise<Granted> {
  const reply = await exchange(client, { refresh_token: refreshToken });
  if (reply.status !== 200) throw new Error(`${reply.status} ${reply.body}`);
  return JSON.parse(reply.body) as Granted;
}

function claimsOf(token: string): Record<string, unknown> {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
  return JSON.parse(payload) as Record<string, unknown>;
}

async function accountsOf(client: BackendClient): Promise<Accounts> {
  return (await client.json('GET', '/__sandbox/accounts')) as Accounts;
}

/** A conversation that goes on until it is left; resolves with its status. */
async function hold(
  client: BackendClient,
  authorization: string,
): Promise<{ status: number; leave: () => void }> {
  const headers: Headers = client.headers({
    accept: 'text/event-stream',
    authorization,
    ...(await client.clearance(API, { authorization })),
  });
  const path = `${API}/conversation`;
  const outgoing = request({
    host: '127.0.0.1',
    port: client.port,
    method: 'POST',
    path,
    headers,
    agent: false,
  });
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      response.on('error', () => {}).resume();
      resolve({ status: response.statusCode ?? 0, leave: () => outgoing.destroy() });
    });
    outgoing.end(JSON.stringify(turn('hi', { model: 'gpt-4o' })));
  });
}

t.test('a refresh token is exchanged for an access token that the backend takes until it ends', async (t) => {
  let nowS = NOW_S;
  const client = await startSandbox(t, { now: () => nowS * 1000 });
  await client.scenario({ accessTokenLifetimeS: 60 });
  const { access_token: token, ...rest } = await granted(client);
  t.same(rest, { expires_in: 60, scope: 'openid profile email offline_access', token_type: 'Bearer' });
  t.match(token, /^eyJhbGciOi/);
  t.match(claimsOf(token), {
    exp: NOW_S + 60,
    sub: /^user-/,
    'https://api.openai.com/auth': { chatgpt_plan_type: 'plus' },
  });
  t.notOk(JSON.stringify(claimsOf(token)).includes(REFRESH), 'the grant is not in it');
  t.equal((await client.accountChat('hi', {}, `Bearer ${token}`)).status, 200);
  nowS += 60;
  const late = await client.account('GET', '/models', undefined, `Bearer ${token}`);
  t.match([late.status, late.body], [401, /token_expired/]);
  const next = await granted(client);
  t.not(next.access_token, token);
  t.equal(claimsOf(next.access_token)['sub'], claimsOf(token)['sub'], 'the same account');
  t.same((await accountsOf(client)).exchanges, { granted: 2, refused: 0 });
});

t.test('the form is looked at closely', async (t) => {
  const client = await startSandbox(t);
  const bad: [object, number, RegExp][] = [
    [{ refresh_token: REFRESH, client_id: 'x' }, 400, /client_id/],
    [{ refresh_token: REFRESH, grant_type: 'password' }, 400, /grant_type/],
    [{ refresh_token: REFRESH, redirect_uri: 'x' }, 400, /redirect_uri/],
    [{}, 403, /"invalid_grant"/],
    [{ refresh_token: REFRESH.slice(1) }, 403, /"invalid_grant"/],
    [{ refresh_token: refreshTokenOf('revoked') }, 403, /"invalid_grant"/],
    [{ refresh_token: refreshTokenOf('denied') }, 403, /"access_denied"/],
  ];
  for (const [fields, status, body] of bad) {
    const reply = await exchange(client, fields);
    t.match([reply.status, reply.headers['content-type'], reply.body], [status, 'application/json', body]);
  }
  const form = new URLSearchParams({ ...FORM, refresh_token: REFRESH }).toString();
  const plain = await client.call(
    'POST',
    '/oauth/token',
    { 'content-type': 'application/x-www-form-urlencoded' },
    form,
  );
  t.match([plain.status, plain.body], [400, /JSON/]);
  t.same((await accountsOf(client)).exchanges, { granted: 0, refused: bad.length + 1 });
});

t.test('after a rotation only the newest refresh token is good', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ rotateRefreshTokens: true });
  const first = await granted(client);
  const second = await granted(client, first.refresh_token);
  t.match(first.refresh_token, /^[\w-]{45}$/);
  t.not(second.refresh_token, first.refresh_token);
  for (const spent of [REFRESH, first.refresh_token ?? ''])
    t.equal((await exchange(client, { refresh_token: spent })).status, 403);
  t.equal(claimsOf(second.access_token)['sub'], claimsOf(first.access_token)['sub']);
  t.equal((await client.account('GET', '/me', undefined, `Bearer ${first.access_token}`)).status, 200);
  await client.call('POST', '/__sandbox/reset');
  t.ok(await granted(client), 'a reset makes it good again');
});

t.test('an exchange fails as the scenario wants, for whom it wants', async (t) => {
  const client = await startSandbox(t);
  const expected: [object, number, RegExp][] = [
    [{ oauthReply: 'invalid_grant' }, 403, /"error":"invalid_grant"/],
    [{ oauthReply: 'access_denied' }, 403, /"error":"access_denied"/],
    [{ oauthReply: 'status_500' }, 500, /error/],
    [{ oauthReply: 'garbage' }, 200, /<html>/],
    [{ at: 'oauth', error: 'cloudflare' }, 403, /_cf_chl_opt/],
    [{ at: 'oauth', error: 'server_error' }, 500, /Something went wrong/],
  ];
  for (const [scenario, status, body] of expected) {
    await client.scenario({ ...scenario, token: REFRESH });
    const reply = await exchange(client);
    t.match([reply.status, reply.body], [status, body], JSON.stringify(scenario));
    t.ok(await granted(client, refreshTokenOf('other')), 'the others are spared');
  }
  await client.scenario({ at: 'oauth', headersDelayMs: 200, times: 1 });
  const startedMs = performance.now();
  await granted(client);
  t.ok(performance.now() - startedMs >= 190, 'slow');
  await client.scenario({ at: 'oauth', resetBeforeHeaders: true });
  await t.rejects(exchange(client));
});

t.test('the account can be asked about', async (t) => {
  const client = await startSandbox(t);
  const plans = { free: 'free', team: 'team', other: 'plus' };
  for (const [name, plan] of Object.entries(plans)) {
    const path = '/accounts/check/v4-2023-04-27';
    const reply = await client.account('GET', path, undefined, bearerOf(name));
    const { accounts, account_ordering: order } = JSON.parse(reply.body) as {
      accounts: Record<string, unknown>;
      account_ordering: string[];
    };
    t.match(accounts['default'], { account: { plan_type: plan, is_deactivated: false } });
    t.match(accounts[order[0] ?? ''], { account: { account_id: order[0] } });
  }
  const me = await client.account('GET', '/me', undefined, bearerOf('x'));
  t.match(JSON.parse(me.body), { object: 'user', orgs: { object: 'list' } });
  t.equal((await client.account('GET', '/me', undefined, bearerOf('deactivated'))).status, 401);
  t.equal((await client.call('GET', `${ANON}/me`, client.headers())).status, 404);
  await client.scenario({ at: 'account', error: 'unavailable' });
  t.equal((await client.account('GET', '/me')).status, 503);
});

t.test('visitors can be turned away, and accounts not with them', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ visitors: false });
  t.equal((await client.requirements()).status, 401);
  t.equal((await client.call('GET', `${ANON}/models`, client.headers())).status, 401);
  t.equal((await client.accountChat('hi')).status, 200);
});

t.test('one message at a time, of a busy account or as the scenario wants', async (t) => {
  const client = await startSandbox(t, { defaults: { stallAfterEvents: 2 } });
  const busy = bearerOf('busy-1');
  const first = await hold(client, busy);
  t.equal(first.status, 200);
  t.equal((await hold(client, busy)).status, 429);
  t.equal((await hold(client, bearerOf('busy-2'))).status, 200, 'another account');
  first.leave();
  await until(async () => (await accountsOf(client)).accounts[0]?.open === 0);
  t.equal((await hold(client, busy)).status, 200);

  await client.scenario({ accountConcurrency: 2, stallAfterEvents: 2 });
  const statuses = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await hold(client, bearerOf('any'))).status);
  t.same(statuses, [200, 200, 429]);
  const { accounts } = await accountsOf(client);
  t.match(accounts, [
    { conversations: 2, open: 1, highestOpen: 1, refusals: { one_message: 1 } },
    { conversations: 1 },
    { conversations: 2, open: 2, highestOpen: 2, refusals: { one_message: 1 } },
  ]);
});

t.test('limits, moods and paces by name', async (t) => {
  let nowS = NOW_S;
  const client = await startSandbox(t, { now: () => nowS * 1000 });
  const chat = (name: string, model = 'gpt-4o') => client.accountChat('hi', { model }, bearerOf(name));
  const limited = await chat('limited-30');
  t.match([limited.status, limited.body], [429, /"clears_in":30,/]);
  nowS += 20;
  t.match((await chat('limited-30')).body, /"clears_in":10,/);
  t.match((await chat('limited-30', 'gpt-4')).body, /"clears_in":30,/, 'each model has its own');
  nowS += 10;
  t.equal((await chat('limited-30')).status, 200);
  const { accounts } = await accountsOf(client);
  t.match(accounts, [{ conversations: 1, refusals: { model_cap: 3 }, limitsIgnored: 1 }]);

  const flaky = [];
  for (let i = 0; i < 6; i += 1) flaky.push((await chat('flaky')).status);
  t.same(flaky, [200, 200, 500, 200, 200, 500]);
  const startedMs = performance.now();
  t.equal((await chat('slow')).status, 200);
  t.ok(performance.now() - startedMs > 900);
});

t.test('a refresh token passes its part on to what it is exchanged for', async (t) => {
  const client = await startSandbox(t);
  for (const [name, body] of [
    ['limited-77', /"clears_in":77,/],
    ['expired', /token_expired/],
    ['deactivated', /account_deactivated/],
  ] as const) {
    const { access_token: token } = await granted(client, refreshTokenOf(name));
    const authorization = `Bearer ${token}`;
    const asked = await client.requirements(API, { authorization });
    const reply = asked.status === 200 ? await client.accountChat('hi', {}, authorization) : asked;
    t.match(reply.body, body, name);
  }
  await client.call('POST', '/__sandbox/reset');
  t.same(await accountsOf(client), { accounts: [], exchanges: { granted: 0, refused: 0 } });
});
