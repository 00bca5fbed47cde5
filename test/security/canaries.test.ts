import { readFileSync } from 'node:fs';
import t from 'tap';
import { ask, askChat, settled, startProcess, startProgram } from '../helpers/program.ts';
import type { Answer } from '../helpers/program.ts';
import { send, startUpstream } from '../helpers/upstream.ts';
import { operatorOf } from '../helpers/operator.ts';

/** Every secret of a setting, told from all else by one word. */
const SECRETS = {
  AUTHORIZATION: 'sk-canary-key',
  ADMIN_KEY: 'canary-admin-key',
  DATA_KEY: 'canary-data-key',
  AUTH_KEY: 'canary-auth-key',
  PROXY_URL: 'http://canary-user:canary-password@127.0.0.1:9',
  EXPORT_PROXY_URL: 'socks5://canary-user:canary-password@127.0.0.1:9',
  ARKOSE_TOKEN_URL: 'http://127.0.0.1:9/?key=canary-arkose',
};
const TOKEN = 'eyJhbGciOi.canary-access-token.x';
const CANARY = /canary/i;

const leak = (text: string): string | null =>
  CANARY.test(text) ? text.slice(Math.max(0, text.search(CANARY) - 80)).slice(0, 200) : null;

/** Throws by signal what Node.js would print whole. */
const CRASHES = `
  const failure = () => Object.assign(new TypeError('canary-message'), {
    headers: { authorization: 'canary-header' }, code: 'canary code',
    cause: Object.assign(new Error('canary-cause'), { url: 'http://canary-url' }),
  });
  process.on('SIGUSR2', () => { throw failure(); });
  process.on('SIGWINCH', () => void Promise.reject(failure()));
  process.on('SIGURG', () => void Promise.reject('canary-text'));
`;

for (const signal of ['SIGUSR2', 'SIGWINCH', 'SIGURG'] as const) {
  t.test(`a crash says where, and not with what: ${signal}`, async (t) => {
    const running = await startProcess(t, {
      ...SECRETS,
      NODE_OPTIONS: `--import data:text/javascript;base64,${Buffer.from(CRASHES).toString('base64')}`,
    });
    const { pid } = running.child;
    t.notMatch(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), CANARY, 'nor does the list of processes');
    t.notMatch(readFileSync(`/proc/${pid}/comm`, 'utf8'), CANARY);
    await askChat(running.port, { token: TOKEN });
    running.child.kill(signal);
    t.equal(await running.exited, 70);
    t.match(running.output(), /"msg":"crashed"/);
    t.equal(leak(running.output()), null);
  });
}

t.test('settings that are bad in every way are not repeated', async (t) => {
  const { parseConfig } = await import('../../src/config.ts');
  const urls = [
    'http://canary-user:canary-password@',
    'http://canary-user:canary-password@host:99999',
    'http://canary-user:canary password@host:1',
    'canary-user:canary-password@host:1',
    '//canary-user:canary-password@host:1',
    'http://canary-user:canary-password@host:1/canary',
    'http://canary%zz:canary-password@host:1',
  ];
  for (const name of [
    'PROXY_URL',
    'EXPORT_PROXY_URL',
    'CHATGPT_BASE_URL',
    'ARKOSE_TOKEN_URL',
    'PUBLIC_URL',
    'OAUTH_TOKEN_URL',
  ]) {
    for (const url of urls) {
      try {
        parseConfig({ [name]: url });
      } catch (error) {
        t.equal(leak(String((error as Error).stack)), null, `${name}=${url}`);
      }
    }
  }
  for (const name of ['AUTHORIZATION', 'ADMIN_KEY', 'DATA_KEY', 'AUTH_KEY']) {
    try {
      parseConfig({ [name]: 'canary \u0001 \u00e9' });
    } catch (error) {
      t.equal(leak(String((error as Error).stack)), null, name);
    }
  }
});

t.test('what callers send: credentials, cookies, signed URLs, through every door', async (t) => {
  const upstream = await startUpstream(t, {
    landing: (asked) => send(asked, asked.path.includes('fail') ? 500 : 200, 'text/plain', 'ok'),
  });
  const { AUTHORIZATION, ADMIN_KEY, DATA_KEY, AUTH_KEY } = SECRETS;
  const program = await startProgram(t, {
    AUTHORIZATION,
    ADMIN_KEY,
    DATA_KEY,
    AUTH_KEY,
    CHATGPT_BASE_URL: upstream.origin,
    RETRY_TIMES: '0',
  });
  const { port } = program;
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    cookie: 'session=canary-cookie; chat2api_admin=canary-session',
    'x-csrf-token': 'canary-csrf',
    'x-request-id': 'canary id with spaces',
    referer: 'http://x/?canary-referer',
    origin: 'http://canary.example',
    'chatgpt-account-id': 'canary-account',
  };
  const picture = (url: string): Record<string, unknown> => ({
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  });
  const answers: Answer[] = [];
  for (const path of [
    '/c/x?sig=canary',
    '/fail?sig=canary',
    '/files/canary-link',
    '/admin/accounts',
    '/v1/models',
  ]) {
    for (const method of ['GET', 'POST', 'OPTIONS']) answers.push(await ask(port, { method, path, headers }));
  }
  for (const url of [
    'http://canary-user:canary-password@127.0.0.1/x?sig=canary',
    'http://canary.invalid/x?sig=canary',
    'http://[fe80::1%25canary]/',
    'file:///canary',
    'data:image/png;base64,canary!',
    'ftp://canary/x',
  ]) {
    answers.push(await askChat(port, { headers, fields: picture(url) }));
  }
  for (const key of [ADMIN_KEY, `${ADMIN_KEY}x`]) {
    const operator = operatorOf(port, key);
    for (const path of ['accounts', 'keys', 'exits', 'accounts/export']) {
      answers.push(await operator.call('GET', `/admin/${path}`));
    }
    answers.push(await operator.call('POST', '/admin/login', JSON.stringify({ key: `${key}y` })));
  }
  for (const path of ['/metrics', '/readyz', '/healthz', '/tokens']) {
    answers.push(await ask(port, { method: 'GET', path, headers }));
  }
  await settled(program);
  t.ok(answers.some(({ status }) => status === 400) && answers.some(({ status }) => status === 200));
  // Who asks for a path is told which one it was: that much of the request comes back, to the asker only.
  const told = answers.map((answer) => JSON.stringify(answer).replaceAll('/files/canary-link', ''));
  t.same(
    [...told, ...program.lines].map(leak).filter((found) => found !== null),
    [],
  );
  const heard = upstream.asked.map(({ headers }) => JSON.stringify({ ...headers, authkey: '' }));
  t.notMatch(heard.join(), /canary-(?:session|admin|key|data|user)/, 'nor are ours told upstream');
});
