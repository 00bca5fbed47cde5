import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { AccountView } from '../../src/admin/desk.ts';
import type { Env } from '../../src/config.ts';
import type { RequestRecord } from '../../src/sandbox/recorder.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import type { Operator } from '../helpers/operator.ts';
import { ask, askChat, chatBytes, errorOf, IDLE, settled, startProcess } from '../helpers/program.ts';
import type { Answer } from '../helpers/program.ts';
import { eventually, startWorld } from '../helpers/world.ts';
import type { World, WorldOptions } from '../helpers/world.ts';
import { dial, until } from '../http/serve.ts';

const KEY = 'sk-client';
const POOL: Env = { AUTHORIZATION: KEY, ADMIN_KEY, RETRY_TIMES: '3' };

/** An access token whose fate the sandbox reads in it. */
const access = (name: string): string => `eyJhbGciOi.${name}.x`;
/** A refresh token has 45 characters. */
const refresh = (name: string): string => `${name}-`.padEnd(45, '0');

interface Pool extends World {
  readonly operator: Operator;
  /** In the order of the import. */
  readonly ids: readonly string[];
  view(id: string): Promise<AccountView | undefined>;
}

/** The program with accounts that are called so; a chat with KEY runs on one of them. */
async function startPool(t: Test, lines: readonly string[], options: WorldOptions = {}): Promise<Pool> {
  const world = await startWorld(t, { ...options, env: { ...POOL, ...options.env } });
  const operator = operatorOf(world.port);
  const verdicts = lines.length === 0 ? [] : await operator.add(lines);
  const view = async (id: string): Promise<AccountView | undefined> =>
    (await operator.accounts()).find((account) => account.id === id);
  return { ...world, operator, ids: verdicts.map(({ id }) => id ?? ''), view };
}

const chat = (world: World, stream = false): Promise<Answer> => askChat(world.port, { token: KEY, stream });

const askedBy = (records: readonly RequestRecord[]): string[] =>
  records.map(({ headers }) => /\.([\w-]+)\.x$/.exec(headers.authorization ?? '')?.[1] ?? '');

const toldS = ({ headers }: Answer): number => Number(headers['retry-after']);

t.test('a refresh token as the key is exchanged once, however many ask with it', async (t) => {
  const world = await startWorld(t);
  const token = refresh('mine');
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => askChat(world.port, { token, stream: at % 2 === 0 })),
  );
  t.ok(answers.every(({ status }) => status === 200));
  t.same((await world.accounts()).exchanges, { granted: 1, refused: 0 });
  const revoked = await askChat(world.port, { token: refresh('revoked') });
  t.match(
    [revoked.status, errorOf(revoked)],
    [401, { code: 'account_unauthorized', message: /sign in again/i }],
  );
});

t.test('an access token that is refused is replaced within the request', async (t) => {
  const once = { at: 'requirements', error: 'token_expired', times: 1 } as const;
  const own = await startWorld(t, { env: { RETRY_TIMES: '1' } });
  t.equal((await askChat(own.port, { token: refresh('mine') })).status, 200);
  await own.scenario(once);
  t.equal((await askChat(own.port, { token: refresh('mine') })).status, 200, "a caller's own");
  t.equal((await own.accounts()).exchanges.granted, 2);

  const pool = await startPool(t, [refresh('ours')]);
  t.equal((await chat(pool)).status, 200);
  await pool.scenario(once);
  t.equal((await chat(pool)).status, 200, "the pool's only one");
  t.equal((await pool.accounts()).exchanges.granted, 2);
});

/** As the site issues them; `hours`: until it ends. */
function jwt(name: string, hours: number): string {
  const claims = { sub: name, exp: Math.floor(Date.now() / 1000) + hours * 3_600 };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}.x`;
}

t.test('accounts without a token that is good are passed by and taken out', async (t) => {
  const dead = Array.from({ length: 6 }, (_, at) => [jwt(`over-${at}`, -1), refresh(`revoked-${at}`)]).flat();
  const pool = await startPool(t, [...dead, jwt('alive', 1)], { env: { ACCOUNT_CONCURRENCY: '1' } });
  const answers = await Promise.all([1, 2, 3, 4].map(() => chat(pool)));
  t.same(
    answers.map((answer) => errorOf(answer)?.code ?? answer.status),
    [200, 200, 200, 200],
  );
  const states = (await pool.operator.accounts()).map(({ state }) => state);
  t.equal(states.filter((state) => state === 'quarantined').length, 12);
  t.match((await pool.operator.accounts())[0]?.reason, /has expired/);
  t.equal((await pool.accounts()).exchanges.refused, 6, 'each exchange is tried once');
});

t.test('the account id reaches upstream, however it was told', async (t) => {
  const pool = await startPool(t, [`${access('team')},ws-imported`]);
  const header = { 'chatgpt-account-id': 'ws-header' };
  const fields = { 'Chatgpt-Account-Id': 'ws-body' };
  for (const [token, usual] of [
    [access('own'), undefined],
    [KEY, 'ws-imported'],
  ] as const) {
    await pool.reset();
    for (const options of [
      { token },
      { token: `${token},ws-inline` },
      { token, headers: header },
      { token, fields },
    ]) {
      t.equal((await askChat(pool.port, options)).status, 200);
    }
    t.same(
      (await pool.conversations()).map(({ headers }) => headers['chatgpt-account-id']),
      [usual, 'ws-inline', 'ws-header', 'ws-body'],
    );
  }
});

t.test('an account that is refused is taken out, and another answers', async (t) => {
  const pool = await startPool(t, [
    access('expired'),
    access('deactivated'),
    access('good'),
    refresh('revoked'),
  ]);
  const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => chat(pool, at % 2 === 0)));
  t.same(
    answers.map(({ status }) => status),
    Array<number>(6).fill(200),
  );
  const [expired, deactivated, good] = await pool.operator.accounts();
  t.match(expired, { state: 'quarantined', reason: /expired/ });
  t.match(deactivated, { state: 'disabled', reason: /deactivated/ });
  t.match(good, { state: 'ready', succeeded: 6 });
  t.same(await settled(pool), IDLE);
});

t.test(
  'when all have reached their limit: 429 with the earliest time, and upstream is left alone',
  async (t) => {
    const pool = await startPool(t, [access('limited-900'), access('limited-300'), access('limited-600')]);
    const first = await chat(pool);
    t.match([first.status, errorOf(first)?.code], [429, 'rate_limit_exceeded']);
    t.ok(toldS(first) > 290 && toldS(first) <= 300, `the first that learns it: ${toldS(first)} s`);
    const asked = (await pool.conversations()).length;
    for (const stream of [true, false]) {
      const answer = await chat(pool, stream);
      t.equal(answer.status, 429);
      t.ok(toldS(answer) > 290 && toldS(answer) <= 300);
      t.match(errorOf(answer), { code: 'rate_limit_exceeded', message: /All 3 usable accounts.* in \d+ s/ });
    }
    t.equal((await pool.conversations()).length, asked);
    const other = await askChat(pool.port, { token: KEY, fields: { model: 'gpt-4' } });
    t.equal(other.status, 429, 'of another model nothing is known yet');
    t.ok((await pool.conversations()).length > asked);
  },
);

t.test('when no attempt is left, nobody is told to wait for the account that was the last', async (t) => {
  const pool = await startPool(t, [access('limited-900'), access('limited-300')], {
    env: { RETRY_TIMES: '0' },
  });
  const answer = await chat(pool);
  t.match(
    [answer.status, errorOf(answer)],
    [429, { code: 'rate_limit_exceeded', message: /others may not/ }],
  );
  t.equal(toldS(answer), 1);
});

t.test('a limit that is not to be honoured is asked about each time', async (t) => {
  const pool = await startPool(t, [access('limited-900')], { env: { ENABLE_LIMIT: 'false' } });
  for (let count = 1; count <= 2; count += 1) {
    t.equal((await chat(pool)).status, 429);
    t.equal((await pool.conversations()).length, count);
  }
});

interface Ids {
  readonly conversation_id?: string;
  readonly message_id?: string;
}

t.test('a conversation goes back to its account', async (t) => {
  const pool = await startPool(t, ['a', 'b', 'c', 'd'].map(access), { env: { HISTORY_DISABLED: 'false' } });
  const { conversation_id: id } = JSON.parse((await chat(pool)).text) as Ids;
  const goOn = (): Promise<Answer> => askChat(pool.port, { token: KEY, fields: { conversation_id: id } });
  for (let turn = 0; turn < 3; turn += 1) t.equal((await goOn()).status, 200);
  const asked = askedBy(await pool.conversations());
  t.same(new Set(asked).size, 1, asked.join());
  const home = pool.ids[['a', 'b', 'c', 'd'].indexOf(asked[0] ?? '')] ?? '';

  t.equal((await pool.operator.call('POST', `/admin/accounts/${home}/disable`)).status, 200);
  const away = await goOn();
  t.match(
    [away.status, errorOf(away)],
    [401, { code: 'account_unauthorized', message: /this conversation lives/ }],
  );
  t.equal((await chat(pool)).status, 200, 'others serve what is new');
  await pool.operator.call('POST', `/admin/accounts/${home}/enable`);
  t.equal((await goOn()).status, 200);
  await pool.operator.call('DELETE', `/admin/accounts/${home}`);
  t.match(errorOf(await goOn()), { code: 'conversation_not_found', message: /no longer part/ });
});

t.test('a limit of the key says whose it is', async (t) => {
  const keysFile = join(t.testdir({}), 'keys.json');
  writeFileSync(keysFile, JSON.stringify([{ key: 'sk-of-the-file', requests_per_minute: 1 }]));
  const pool = await startPool(t, [access('slow-a'), access('slow-b')], { env: { KEYS_FILE: keysFile } });
  const limits = JSON.stringify({ name: 'made', concurrentStreams: 1 });
  const made = JSON.parse((await pool.operator.call('POST', '/admin/keys', limits)).text) as { key: string };
  const byCount = [
    await askChat(pool.port, { token: 'sk-of-the-file' }),
    await askChat(pool.port, { token: 'sk-of-the-file' }),
  ];
  const atOnce = await Promise.all([1, 2].map(() => askChat(pool.port, { token: made.key, stream: true })));
  for (const [answers, message] of [
    [byCount, /1 requests per minute.*set by the proxy's operator, not by the backend/],
    [atOnce, /1 requests at once.*set by the proxy's operator, not by the backend/],
  ] as const) {
    t.same(
      answers.map(({ status }) => status).sort((one, other) => one - other),
      [200, 429],
    );
    const refused = answers.find(({ status }) => status === 429);
    t.match(refused && errorOf(refused), { code: 'key_limit_exceeded', message });
    t.ok(Number(refused?.headers['retry-after']) >= 1);
  }
  t.equal((await askChat(pool.port, { token: made.key })).status, 200, 'over when the first is');
  const filed = (await pool.operator.keys()).find(({ source }) => source === 'file');
  const kept = await pool.operator.call('DELETE', `/admin/keys/${filed?.id}`);
  t.match([kept.status, errorOf(kept)?.message], [400, /stands in KEYS_FILE/]);
});

t.test('"only one message at a time" is nothing that a client hears of', async (t) => {
  const crowd = await startPool(t, ['busy-a', 'busy-b', 'c'].map(access), {
    env: { ACCOUNT_CONCURRENCY: '3' },
  });
  const answers = await Promise.all(Array.from({ length: 9 }, (_, at) => chat(crowd, at % 2 === 0)));
  t.same(
    answers.map((answer) => errorOf(answer)?.code ?? answer.status),
    Array<number>(9).fill(200),
  );
  const alone = await startPool(t, [access('busy-alone')], { scenario: { firstEventDelayMs: 100 } });
  const waited = await Promise.all([chat(alone), chat(alone, true), chat(alone)]);
  t.same(
    waited.map((answer) => errorOf(answer)?.code ?? answer.status),
    [200, 200, 200],
  );
  t.match(await alone.view(alone.ids[0] ?? ''), { concurrency: 1, inFlight: 0 });
  const { accounts } = await alone.accounts();
  t.match(accounts, [{ highestOpen: 1, conversations: 3 }]);
});

t.test('a model is asked of those that have it', async (t) => {
  for (const [CHECK_MODEL, model] of [
    ['true', 'gpt-4-mobile'],
    ['false', 'gpt-4'],
  ] as const) {
    const pool = await startPool(t, [access('free-a'), access('free-b'), access('paid')], {
      env: { CHECK_MODEL },
    });
    const answers = [];
    for (let count = 0; count < 4; count += 1) {
      answers.push(await askChat(pool.port, { token: KEY, fields: { model } }));
    }
    t.same(
      answers.map((answer) => errorOf(answer)?.code ?? answer.status),
      [200, 200, 200, 200],
      `CHECK_MODEL ${CHECK_MODEL}`,
    );
    t.same(askedBy(await pool.conversations()), Array<string>(4).fill('paid'));
    const nobody = await startPool(t, [access('free-a'), access('free-b')], { env: { CHECK_MODEL } });
    const none = await askChat(nobody.port, { token: KEY, fields: { model } });
    t.match([none.status, errorOf(none)?.code], [404, 'model_not_found']);
  }
});

const modelIds = async (world: World): Promise<string[]> => {
  const { text } = await ask(world.port, {
    method: 'GET',
    path: '/v1/models',
    headers: { authorization: `Bearer ${KEY}` },
  });
  return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
};

t.test("the list of models is the pool's", async (t) => {
  t.ok((await modelIds(await startPool(t, [access('paid')]))).includes('o3-mini'));
  t.notOk((await modelIds(await startPool(t, [access('free')]))).includes('o3-mini'));
  const mixed = await startPool(t, [access('expired'), access('deactivated'), access('paid')]);
  t.ok((await modelIds(mixed)).includes('o3-mini'), 'whoever comes first');
  const states = (await mixed.operator.accounts()).map(({ state }) => state);
  t.same(states, ['quarantined', 'disabled', 'ready'], 'what is learned by the way is not lost');
  const over = await startPool(t, [jwt('over', -1), refresh('revoked'), access('paid')]);
  t.ok((await modelIds(over)).includes('o3-mini'));
});

t.test('a check that upstream answers with a refusal takes the account out', async (t) => {
  const pool = await startPool(t, [access('expired'), access('deactivated'), access('good')]);
  for (const id of pool.ids) await pool.operator.call('POST', `/admin/accounts/${id}/check`);
  const views = await pool.operator.accounts();
  t.match(views, [{ state: 'quarantined' }, { state: 'disabled' }, { state: 'ready', plan: 'plus' }]);
});

t.test('not ready when no account can be used, and says so', async (t) => {
  const ready = (world: World): Promise<Answer> => ask(world.port, { method: 'GET', path: '/readyz' });
  const pool = await startPool(t, [access('expired'), access('deactivated')]);
  t.equal((await ready(pool)).status, 200);
  const refused = await chat(pool);
  t.equal(refused.status, 401);
  const unready = await ready(pool);
  t.equal(unready.status, 503);
  t.match(unready.text, 'none of the 2 accounts is usable');
  await pool.operator.add([access('good')]);
  const again = await ready(pool);
  t.same(
    [again.status, JSON.parse(again.text)],
    [200, { status: 'ready', accounts: { usable: 1, total: 3 } }],
  );

  const keysFile = join(t.testdir({}), 'keys.json');
  writeFileSync(keysFile, JSON.stringify([{ key: KEY }]));
  const filed = await startPool(t, [access('expired')], { env: { AUTHORIZATION: '', KEYS_FILE: keysFile } });
  t.equal((await chat(filed)).status, 401);
  t.equal((await ready(filed)).status, 503, 'with keys from elsewhere, too');
});

t.test("scripts of the original's fill, look at and empty the pool", async (t) => {
  const pool = await startPool(t, []);
  const call = async (path: string, fields?: Record<string, string>): Promise<unknown> => {
    const body = fields === undefined ? {} : { body: new URLSearchParams(fields) };
    const answer = await fetch(`${pool.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
      ...body,
    });
    return answer.json();
  };
  const text = [access('good'), '# a comment', access('expired'), refresh('one'), ''].join('\n');
  t.same(await call('/tokens/upload', { text }), { status: 'success', tokens_count: 3 });
  t.same(
    (await Promise.all([chat(pool), chat(pool), chat(pool)])).map(({ status }) => status),
    [200, 200, 200],
  );
  const [, expired] = await pool.operator.accounts();
  t.same(await call('/tokens/error'), { status: 'success', error_tokens: [expired?.id] });
  t.same(await call('/tokens/clear'), { status: 'success', tokens_count: 0 });
  t.same(await pool.operator.accounts(), []);
  const stranger = await fetch(`${pool.url}/tokens/clear`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
  });
  t.equal(stranger.status, 401);
});

t.test('who leaves while he waits for an account leaves nothing behind', async (t) => {
  const pool = await startPool(t, [access('only')], {
    env: { ACCOUNT_CONCURRENCY: '1' },
    scenario: { firstEventDelayMs: 3_000 },
  });
  const holder = await dial(t, pool.port);
  holder.socket.write(chatBytes({ stream: true, token: KEY }));
  t.ok(await eventually(async () => (await pool.conversations()).length === 1));
  const waiters = await Promise.all(Array.from({ length: 5 }, () => dial(t, pool.port)));
  for (const { socket } of waiters) socket.write(chatBytes({ stream: true, token: KEY }));
  const waiting = async (): Promise<number> => (await pool.operator.summary()).waiting;
  t.ok(await eventually(async () => (await waiting()) === 5));
  const leftAt = performance.now();
  for (const { socket } of waiters) socket.destroy();
  t.ok(await eventually(async () => (await waiting()) === 0));
  t.ok(performance.now() - leftAt < 2_500, 'at once');
  t.match(pool.app.inflight, { requests: 1, leases: 1 });
  const next = chat(pool);
  holder.socket.destroy();
  t.equal((await next).status, 200, 'and the account is free with who had it');
  t.same(await settled(pool), IDLE);
  t.equal((await pool.conversations()).length, 2, 'nobody asked for those who left');
});

t.test('who waits for an account does not hold up the end', async (t) => {
  const upstream = await startWorld(t, { scenario: { firstEventDelayMs: 5_000 } });
  const program = await startProcess(t, {
    ...POOL,
    CHATGPT_BASE_URL: upstream.upstream,
    ACCOUNT_CONCURRENCY: '1',
    DRAIN_TIMEOUT_MS: '20000',
  });
  await operatorOf(program.port).add([access('only')]);
  const running = askChat(program.port, { token: KEY, stream: true });
  t.ok(await eventually(async () => (await upstream.conversations()).length === 1));
  const waiting = [false, true].map((stream) => askChat(program.port, { token: KEY, stream }));
  t.ok(await eventually(async () => (await operatorOf(program.port).summary()).waiting === 2));
  const toldAt: number[] = [];
  for (const answer of waiting) void answer.then(() => toldAt.push(performance.now()));
  program.child.kill('SIGTERM');
  const finished = await running;
  const finishedAt = performance.now();
  t.equal(finished.status, 200);
  t.match(finished.text, '[DONE]', 'what runs may finish');
  for (const answer of await Promise.all(waiting)) {
    t.match([answer.status, errorOf(answer)?.code], [503, 'shutting_down']);
    t.ok(toldS(answer) > 0);
  }
  t.ok(
    toldAt.every((at) => at < finishedAt),
    'before anybody was finished',
  );
  t.equal(await program.exited, 0);
  t.ok(await until(() => program.output().includes('"msg":"stopped"')));
  t.equal((await upstream.conversations()).length, 1);
});
