import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { createRefresh } from '../../src/accounts/refresh.ts';
import type { Refresh, RefreshOptions } from '../../src/accounts/refresh.ts';
import { ChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';

const NOW_MS = 1_800_000_000_000;
const CANARY = `canary-${'r'.repeat(38)}`;
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

interface Asked {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, string>>;
}

type Answer = (asked: Asked, response: ServerResponse, nth: number) => void | Promise<void>;

interface World {
  readonly refresh: Refresh;
  readonly asked: readonly Asked[];
  /** Moves the clock. */
  readonly pass: (ms: number) => void;
}

/** A sign-in service that answers as the test says, and a refresh that asks it. */
async function world(t: Test, answer: Answer, options: Partial<RefreshOptions> = {}): Promise<World> {
  const asked: Asked[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = JSON.parse(await readText(request)) as Asked['body'];
    const one = { url: request.url ?? '', headers: request.headers, body };
    asked.push(one);
    await answer(one, response, asked.length);
  };
  const server = createServer((request, response) => void receive(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(async () => {
    await exits.destroy();
    server.close();
    server.closeAllConnections();
  });
  let nowMs = NOW_MS;
  const refresh = createRefresh({
    exchange: createExchange(exits),
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token?tenant=1`,
    userAgent: 'Test/1',
    exit: () => exits.pick(),
    nowMs: () => nowMs,
    random: () => 0.5,
    timeoutMs: 2_000,
    ...options,
  });
  return { refresh, asked, pass: (ms) => void (nowMs += ms) };
}

function json(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function jwt(claims: object): string {
  return `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

async function failureOf(promise: Promise<unknown>): Promise<ChatError> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ChatError)) throw new Error(`expected a ChatError, not ${String(thrown)}`);
  return thrown;
}

t.test('the exchange is the one of the protocol', async (t) => {
  const token = jwt({ exp: 1_900_000_000 });
  const { refresh, asked } = await world(t, (_, response) =>
    json(response, 200, { access_token: token, expires_in: 60, token_type: 'Bearer' }),
  );
  t.same(await refresh(CANARY, NEVER), { token, expiresMs: 1_900_000_000_000, refreshToken: null });
  t.match(asked, [
    {
      url: '/oauth/token?tenant=1',
      headers: { 'content-type': 'application/json', 'user-agent': 'Test/1' },
      body: {
        client_id: 'pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh',
        grant_type: 'refresh_token',
        redirect_uri: 'com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback',
        refresh_token: CANARY,
      },
    },
  ]);
});

t.test('a token ends by itself, else by what the answer says', async (t) => {
  const answers = [
    { access_token: jwt({ exp: 1_900_000_000 }), expires_in: 60 },
    { access_token: jwt({}), expires_in: 60 },
    { access_token: 'opaque', expires_in: '60' },
    { access_token: 'opaque', expires_in: -1 },
    { access_token: 'opaque' },
  ];
  const { refresh } = await world(t, (_, response, nth) => json(response, 200, answers[nth - 1]));
  const ends = [];
  for (const _ of answers) ends.push((await refresh(CANARY, NEVER)).expiresMs);
  t.same(ends, [1_900_000_000_000, NOW_MS + 60_000, NOW_MS + 60_000, null, null]);
});

t.test('1,000 at once are one exchange, which outlives those who leave', async (t) => {
  let answerNow = (): void => {};
  const { refresh, asked } = await world(t, async (_, response) => {
    await new Promise<void>((resolve) => (answerNow = resolve));
    json(response, 200, { access_token: 'access', refresh_token: 'next-one' });
  });
  const leaving = new AbortController();
  const impatient = refresh(CANARY, leaving.signal);
  const crowd = Array.from({ length: 999 }, () => refresh(CANARY, NEVER));
  while (asked.length === 0) await sleep(5);
  leaving.abort(new Error('left'));
  await t.rejects(impatient, /left/);
  answerNow();
  t.same(new Set((await Promise.all(crowd)).map(({ token }) => token)), new Set(['access']));
  t.equal(asked.length, 1);
  await t.rejects(refresh(CANARY, AbortSignal.abort(new Error('gone'))), /gone/);
});

t.test('when all have left the exchange still ends, and its new refresh token is not lost', async (t) => {
  let answerNow = (): void => {};
  const { refresh, asked } = await world(t, async ({ body }, response, nth) => {
    if (nth === 1) await new Promise<void>((resolve) => (answerNow = resolve));
    if (nth === 2) t.equal(body['refresh_token'], 'r-2');
    json(response, 200, { access_token: `a-${nth}`, refresh_token: 'r-2' });
  });
  const leaving = new AbortController();
  const only = refresh('r-1', leaving.signal);
  while (asked.length === 0) await sleep(5);
  leaving.abort(new Error('left'));
  await t.rejects(only, /left/);
  const next = refresh('r-1', NEVER);
  answerNow();
  t.match(await next, { token: 'a-1', refreshToken: 'r-2' }, 'joined it');
  t.match(await refresh('r-1', NEVER), { token: 'a-2', refreshToken: 'r-2' });
});

t.test('a replaced token stands for the one that replaced it', async (t) => {
  const given = ['r-2', 'r-3', 'r-1', 'r-1'];
  const { refresh, asked } = await world(t, (_, response, nth) =>
    json(response, 200, { access_token: `a-${nth}`, refresh_token: given[nth - 1] }),
  );
  t.match(await refresh('r-1', NEVER), { token: 'a-1', refreshToken: 'r-2' });
  t.match(await refresh('r-1', NEVER), { token: 'a-2', refreshToken: 'r-3' });
  t.match(await refresh('r-2', NEVER), { token: 'a-3', refreshToken: 'r-1' }, 'the first is good again');
  t.match(await refresh('r-1', NEVER), { token: 'a-4', refreshToken: null });
  t.same(
    asked.map(({ body }) => body['refresh_token']),
    ['r-1', 'r-2', 'r-3', 'r-1'],
  );
});

t.test('what is held against the account, and what is not', async (t) => {
  const html = '<html><div id="cf-please-wait"></div></html>';
  const cases: readonly [number, unknown, string][] = [
    [400, { error: 'invalid_grant', error_description: CANARY }, 'account_unauthorized'],
    [
      403,
      { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
      'account_unauthorized',
    ],
    [403, { error: 'access_denied' }, 'account_unauthorized'],
    [401, { error: { code: 'refresh_token_reused', message: CANARY } }, 'account_unauthorized'],
    [401, { detail: 'Unauthorized' }, 'account_unauthorized'],
    [401, { error: 'invalid_client' }, 'upstream_error'],
    [401, html, 'upstream_challenge'],
    [400, { error: 'invalid_request', error_description: CANARY }, 'upstream_error'],
    [403, html, 'upstream_challenge'],
    [403, { detail: 'blocked' }, 'upstream_error'],
    [429, { error: 'too_many_attempts' }, 'upstream_error'],
    [500, { error: 'invalid_grant' }, 'upstream_error'],
    [502, html, 'upstream_challenge'],
    [503, '', 'upstream_error'],
    [302, '', 'upstream_error'],
    [200, '{"access_tok', 'upstream_protocol_error'],
    [200, html, 'upstream_protocol_error'],
    [200, { access_token: '' }, 'upstream_protocol_error'],
    [200, { access_token: 'a b' }, 'upstream_protocol_error'],
  ];
  const { refresh } = await world(t, (_, response, nth) => {
    const [status, body] = cases[nth - 1] ?? [0, ''];
    if (typeof body !== 'string') return json(response, status, body);
    response.writeHead(status, { 'content-type': body === html ? 'text/html' : 'application/json' });
    response.end(body);
  });
  for (const [index, [status, body, code]] of cases.entries()) {
    const failure = await failureOf(refresh(`${CANARY}${index}`, NEVER));
    t.equal(failure.code, code, `${status} ${JSON.stringify(body)}`);
    t.equal(failure.fault === 'account', code === 'account_unauthorized');
    t.equal(failure.retryable, code !== 'account_unauthorized');
    t.notMatch(inspect(failure, { depth: 9 }), /canary/, 'no token in it');
  }
});

t.test('a network that fails is not the account', async (t) => {
  const { refresh } = await world(
    t,
    ({ body }, response) => {
      if (body['refresh_token'] === 'reset') response.socket?.resetAndDestroy();
      if (body['refresh_token'] === 'cut')
        response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{');
    },
    { timeoutMs: 200 },
  );
  t.match(await failureOf(refresh('reset', NEVER)), {
    code: 'upstream_unreachable',
    message: /OAUTH_TOKEN_URL/,
  });
  t.match(await failureOf(refresh('cut', NEVER)), { code: 'upstream_protocol_error' });
  t.match(await failureOf(refresh('silence', NEVER)), { code: 'upstream_timeout', retryable: true });
  const closed = await world(t, () => {}, { url: 'http://127.0.0.1:1/oauth/token' });
  t.match(await failureOf(closed.refresh('x', NEVER)), { code: 'upstream_unreachable', fault: 'address' });
});

t.test('after a failure the service is left alone, longer each time', async (t) => {
  let isWell = false;
  const { refresh, asked, pass } = await world(t, (_, response) =>
    isWell ? json(response, 200, { access_token: 'a' }) : json(response, 500, {}),
  );
  const pauses: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    const before = asked.length;
    await t.rejects(refresh('r-1', NEVER));
    t.equal(asked.length, before + 1);
    const crowd = await Promise.all(Array.from({ length: 50 }, () => failureOf(refresh('r-1', NEVER))));
    t.equal(asked.length, before + 1, 'nobody of the crowd asks');
    t.match(crowd[0], { code: 'upstream_error', retryable: true });
    pauses.push(crowd[0]?.retryAfterS ?? 0);
    pass((crowd[0]?.retryAfterS ?? 0) * 1000);
  }
  t.same(pauses, [1, 2, 3, 6, 12, 24, 45, 45, 45]);
  t.match(await failureOf(refresh('r-2', NEVER)), { code: 'upstream_error', retryAfterS: null });
  isWell = true;
  await refresh('r-1', NEVER);
  isWell = false;
  await t.rejects(refresh('r-1', NEVER));
  t.equal((await failureOf(refresh('r-1', NEVER))).retryAfterS, 1, 'success begins anew');
});

t.test('the time that the service asks for is honoured, and a refusal remembered', async (t) => {
  const { refresh, asked, pass } = await world(t, ({ body }, response) =>
    body['refresh_token'] === 'dead'
      ? json(response, 403, { error: 'invalid_grant' })
      : json(response, 429, {}, { 'retry-after': '100' }),
  );
  t.equal((await failureOf(refresh('busy', NEVER))).retryAfterS, 100);
  pass(99_000);
  t.equal((await failureOf(refresh('busy', NEVER))).retryAfterS, 1);
  t.equal(asked.length, 1);
  pass(1_000);
  await t.rejects(refresh('busy', NEVER));
  t.equal(asked.length, 2);

  for (let i = 0; i < 5; i += 1)
    t.match(await failureOf(refresh('dead', NEVER)), { code: 'account_unauthorized', retryAfterS: null });
  t.equal(asked.length, 3);
  pass(31_000);
  await t.rejects(refresh('dead', NEVER));
  t.equal(asked.length, 4, 'but not for ever');
});

t.test('memory is bounded', async (t) => {
  const { refresh, asked } = await world(t, (_, response) => json(response, 500, {}), { maxGrants: 3 });
  for (const token of ['a', 'b', 'c', 'd']) await t.rejects(refresh(token, NEVER));
  await t.rejects(refresh('d', NEVER));
  t.equal(asked.length, 4);
  await t.rejects(refresh('a', NEVER));
  t.equal(asked.length, 5, 'the oldest is forgotten');
});
