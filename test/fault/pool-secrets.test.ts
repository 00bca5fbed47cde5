import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { newDataDir } from '../helpers/data-dir.ts';
import { startProxy } from '../helpers/gateway.ts';
import { operatorOf } from '../helpers/operator.ts';
import { ask, askChat, spawnProgram } from '../helpers/program.ts';
import type { Answer } from '../helpers/program.ts';
import { startBrokenProxy } from '../helpers/proxy.ts';
import { startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';
import { dial, get, until } from '../http/serve.ts';

const ADMIN_KEY = 'canary-admin-key';
const DATA_KEY = 'canary-data-key';
const KEY = 'sk-canary-client';
const FILE_KEY = 'sk-canary-of-the-file';
const PASSWORD = 'canary-proxy-password';
const LOGIN = `canary-proxy-user:${PASSWORD}`;
const FATES = ['good', 'busy', 'limited-600', 'expired', 'deactivated', 'flaky'];
const ACCESS = FATES.map((fate) => `eyJhbGciOi.canary-${fate}.x`);
/** A refresh token has 45 characters. */
const REFRESH = ['good', 'revoked', 'denied', 'expired'].map((fate) => `canary-${fate}-`.padEnd(45, '0'));
const CANARY = /canary/i;
/** In case something encodes them on the way. */
const ENCODED = [ADMIN_KEY, DATA_KEY, KEY, FILE_KEY, LOGIN, PASSWORD, ...ACCESS, ...REFRESH].flatMap(
  (secret) =>
    (['base64', 'base64url', 'hex'] as const).map((encoding) =>
      Buffer.from(secret).toString(encoding).slice(0, -4),
    ),
);

function leaks(text: string): string | null {
  if (CANARY.test(text)) return text.slice(Math.max(0, text.search(CANARY) - 80)).slice(0, 200);
  return ENCODED.find((secret) => text.includes(secret)) ?? null;
}

const leaksOf = (texts: readonly string[]): string[] => texts.map(leaks).filter((leak) => leak !== null);

const shown = (answer: Answer): string => JSON.stringify(answer);

/** What the exchange of refresh tokens comes to, one after the other. */
const REPLIES = ['token', 'garbage', 'status_500', 'invalid_grant', 'token'] as const;

/** Everything that an operator can ask for, and what a stranger is told. */
async function lookAround({ port }: World): Promise<Answer[]> {
  const operator = operatorOf(port, ADMIN_KEY);
  const answers: Answer[] = [];
  for (const path of [
    'accounts',
    'accounts/export',
    'accounts/export?format=csv',
    'keys',
    'exits',
    'session',
  ]) {
    answers.push(await operator.call('GET', `/admin/${path}`));
  }
  for (const path of ['/tokens', '/tokens/app.js', '/metrics', '/readyz', '/v1/models']) {
    answers.push(await operator.call('GET', path));
    answers.push(await ask(port, { method: 'GET', path, headers: { authorization: `Bearer ${KEY}` } }));
  }
  const stranger = operatorOf(port, `${ADMIN_KEY}-wrong`);
  answers.push(await stranger.call('GET', '/admin/accounts'));
  answers.push(await stranger.call('POST', '/tokens/upload', ACCESS.join('\n')));
  return answers;
}

t.test('the pool keeps its secrets, whatever becomes of it', async (t) => {
  const proxies = [(await startProxy(t)).url, `http://127.0.0.1:${await startBrokenProxy(t, 'resets')}`];
  const dataDir = newDataDir(t);
  const keysFile = join(newDataDir(t), 'keys.json');
  writeFileSync(keysFile, JSON.stringify([{ key: FILE_KEY, name: 'of the file', requests_per_minute: 2 }]));
  const world = await startWorld(t, {
    env: {
      AUTHORIZATION: KEY,
      ADMIN_KEY,
      DATA_KEY,
      KEYS_FILE: keysFile,
      DATA_DIR: dataDir,
      PROXY_URL: proxies.map((url) => url.replace('http://', `http://${LOGIN}@`)).join(','),
      RETRY_TIMES: '2',
      LOG_LEVEL: 'trace',
      HISTORY_DISABLED: 'false',
    },
  });
  const { port } = world;
  const operator = operatorOf(port, ADMIN_KEY);
  const live = await dial(t, port);
  live.socket.write(get('/admin/events', `authorization: Bearer ${ADMIN_KEY}`));
  const lines = [
    ...ACCESS,
    ...REFRESH,
    `${ACCESS[0]},ws canary`,
    'canary-no-token',
    '{"canary":1}',
    '{"canary',
  ];
  const answers: Answer[] = [await operator.call('POST', '/admin/accounts', lines.join('\n'))];
  const ids = (await operator.accounts()).map(({ id }) => id);
  t.equal(ids.length, ACCESS.length + REFRESH.length);

  for (const oauthReply of REPLIES) {
    await world.scenario({ oauthReply });
    const tokens = [KEY, FILE_KEY, KEY, REFRESH[0] ?? '', REFRESH[1] ?? '', ACCESS[3] ?? '', `${KEY}-wrong`];
    const chats = tokens.map((token, at) => askChat(port, { token, stream: at % 2 === 0 }));
    answers.push(...(await Promise.all(chats)));
    for (const id of ids) {
      answers.push(await operator.call('POST', `/admin/accounts/${id}/check`));
      answers.push(await operator.call('POST', `/admin/accounts/${id}/refresh`));
    }
    answers.push(...(await lookAround(world)));
    answers.push(await operator.call('POST', `/admin/accounts/${ids[0]}/clear`));
  }
  answers.push(await operator.call('POST', `/admin/accounts/${ACCESS[0]}/check`));
  answers.push(await operator.call('DELETE', `/admin/keys/${KEY}`));
  answers.push(await operator.call('POST', '/admin/keys', '{"name": "canary'));
  const login = JSON.stringify({ key: `${ADMIN_KEY}-wrong` });
  const json = { 'content-type': 'application/json' };
  answers.push(await ask(port, { path: '/admin/login', headers: json, body: login }));
  const opened = await ask(port, {
    path: '/admin/login',
    headers: json,
    body: JSON.stringify({ key: ADMIN_KEY }),
  });
  answers.push(opened);
  await sleep(1_100);

  t.ok(answers.some(({ status }) => status === 200) && answers.some(({ status }) => status >= 400));
  t.same(leaksOf(answers.map(shown)), [], 'answers');
  t.ok(live.text().includes(ids[0] ?? ''), 'the live page tells of accounts');
  t.equal(leaks(live.text()), null, 'the live page');
  t.ok(world.logLines.some((line) => line.includes('account taken out')));
  t.same(leaksOf(world.logLines), [], 'the log');

  const made = JSON.parse((await operator.call('POST', '/admin/keys', '{"name":"made"}')).text) as {
    key: string;
  };
  t.equal((await askChat(port, { token: made.key })).status < 500, true);
  const afterwards = [...(await lookAround(world)).map(shown), ...world.logLines, live.text()];
  t.same(
    afterwards.filter((text) => text.includes(made.key)),
    [],
    'a key is shown once',
  );
  const stored = readdirSync(dataDir).map((name) => readFileSync(join(dataDir, name)).toString('latin1'));
  t.same(leaksOf(stored), [], 'with DATA_KEY the disk does not tell either');
  t.notOk(stored.some((text) => text.includes(made.key)));
});

t.test('nor does a start that fails tell', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dataDir = newDataDir(t);
  writeFileSync(join(dataDir, 'token.txt'), [...ACCESS, 'canary-no-token'].join('\n'));
  const env = { ADMIN_KEY, DATA_KEY, AUTHORIZATION: KEY, DATA_DIR: dataDir, LOG_FORMAT: 'pretty' };
  const taken = spawnProgram(t, { ...env, PORT: String(port) });
  t.equal(await taken.exited, 1);
  const dead = spawnProgram(t, { ...env, DATA_DIR: join(dataDir, 'token.txt') });
  t.equal(await dead.exited, 78);
  const killed = spawnProgram(t, env);
  t.ok(await until(() => killed.output().includes('listening'), 20_000));
  killed.child.kill('SIGABRT');
  await killed.exited;
  t.same(leaksOf([taken.output(), dead.output(), killed.output()]), []);
});
