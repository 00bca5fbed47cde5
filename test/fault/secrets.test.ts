import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Scenario } from '../../src/sandbox/scenario.ts';
import { startProxy } from '../helpers/gateway.ts';
import { startBrokenProxy } from '../helpers/proxy.ts';
import type { ProxyFault } from '../helpers/proxy.ts';
import {
  ask,
  askChat,
  chatBody,
  chatBytes,
  settled,
  spawnProgram,
  startProgram,
} from '../helpers/program.ts';
import type { Answer } from '../helpers/program.ts';
import { openStream, requirements, send, sendJson, startUpstream, stream } from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';
import { startWorld } from '../helpers/world.ts';
import { dial, until } from '../http/serve.ts';

const KEY = 'sk-canary-operator-key';
const TOKEN = 'eyJhbGciOi.canary-access-token.x';
const ACCOUNT = 'canary-account-id';
const AUTH_KEY = 'canary-auth-key';
const ARKOSE_URL_TOKEN = 'canary-arkose-url';
const ARKOSE_TOKEN = 'canary-arkose-token';
const PROXY_USER = 'canary-proxy-user';
const PROXY_PASSWORD = 'canary-proxy-password';
const CANARY = /canary/i;
/** In case something encodes them on the way. */
const ENCODED = [KEY, TOKEN, AUTH_KEY, PROXY_PASSWORD, `${PROXY_USER}:${PROXY_PASSWORD}`].flatMap((secret) =>
  (['base64', 'base64url', 'hex'] as const).map((encoding) =>
    Buffer.from(secret).toString(encoding).slice(0, -4),
  ),
);

function leaks(text: string): string | null {
  if (CANARY.test(text)) return text.slice(Math.max(0, text.search(CANARY) - 80)).slice(0, 200);
  return ENCODED.find((secret) => text.includes(secret)) ?? null;
}

const shown = (answer: Answer): string => JSON.stringify(answer);

/** Repeats what it was sent in everything it says. */
function echo(asked: Asked, status: number): void {
  sendJson(asked, status, { detail: 'Something went wrong' }, `x-echo: ${asked.headers.authorization ?? ''}`);
}

const CONVERSATIONS: readonly ((asked: Asked) => unknown)[] = [
  (asked) => echo(asked, 500),
  (asked) => echo(asked, 401),
  (asked) => echo(asked, 422),
  (asked) => send(asked, 403, 'text/html', '<p id="cf-please-wait">'),
  (asked) => send(asked, 302, 'text/html', '', `location: /?token=${asked.headers.authorization ?? ''}`),
  ({ socket }) => socket.resetAndDestroy(),
  ({ socket }) => socket.end('nonsense\r\n\r\n'),
  (asked) => {
    openStream(asked);
    stream(asked, 'data: {"broken\n\n');
  },
];

t.test('no secret in any line of the log, answer or header, whatever fails', async (t) => {
  const upstream = await startUpstream(t, {
    requirements: (asked, nth) =>
      sendJson(asked, 200, {
        ...requirements(nth % 5 === 0 ? '000001' : undefined),
        arkose: { required: nth % 4 === 0, dx: 'blob' },
      }),
    conversation: (asked, nth) => CONVERSATIONS[nth % CONVERSATIONS.length]?.(asked) as void,
    landing: (asked, nth) =>
      asked.method === 'GET' ? send(asked, 200, 'text/html', '<p>') : arkose(asked, nth),
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    AUTHORIZATION: KEY,
    AUTH_KEY,
    ARKOSE_TOKEN_URL: `${upstream.origin}/solve?key=${ARKOSE_URL_TOKEN}`,
    RETRY_TIMES: '1',
  });
  const { port } = program;
  const answers = await Promise.all([
    ...Array.from({ length: 24 }, (_, at) =>
      askChat(port, {
        stream: at % 2 === 0,
        token: at % 3 === 0 ? KEY : `${TOKEN},${ACCOUNT}`,
        fields: at % 5 === 0 ? { n: 2 } : {},
      }),
    ),
    askChat(port, { token: `${KEY}-wrong` }),
    askChat(port, { token: `${TOKEN}\u00e9` }),
    askChat(port, { token: `${'canary_'.repeat(7).slice(0, 45)}` }),
    askChat(port, { headers: { authorization: `Basic ${TOKEN}` } }),
    askChat(port, { token: TOKEN, headers: { 'chatgpt-account-id': `${ACCOUNT} \u00e9` } }),
    askChat(port, { token: TOKEN, headers: { 'x-request-id': `Bearer ${TOKEN}` } }),
    askChat(port, { token: TOKEN, fields: { 'Chatgpt-Account-Id': `${ACCOUNT}\n` } }),
    ask(port, { body: 'canary', headers: { authorization: `Bearer ${KEY}` } }),
    ask(port, { body: `{"${TOKEN}": `, headers: { authorization: `Bearer ${KEY}` } }),
    ask(port, { path: `/v1/unknown?key=${KEY}`, headers: { authorization: `Bearer ${KEY}` } }),
    ask(port, { method: 'GET', path: '/v1/chat/completions', headers: { authorization: `Bearer ${KEY}` } }),
    ask(port, { method: 'GET', path: '/v1/models', headers: { authorization: `Bearer ${KEY}x` } }),
    ask(port, { method: 'OPTIONS', headers: { 'access-control-request-headers': 'authorization' } }),
    ask(port, { body: chatBody(), headers: { cookie: TOKEN, authkey: AUTH_KEY } }),
  ]);
  const leaving = await dial(t, port);
  leaving.socket.write(chatBytes({ stream: true, token: TOKEN }));
  await sleep(20);
  leaving.socket.destroy();
  await settled(program);
  t.ok(answers.filter(({ status }) => status >= 400).length > 25, 'much failed');
  t.same(
    answers.map((answer) => leaks(shown(answer))).filter((leak) => leak !== null),
    [],
  );
  t.same(
    program.lines.map(leaks).filter((leak) => leak !== null),
    [],
  );
  t.ok(program.lines.length > 30, 'the log tells of it');
  t.equal(upstream.askedAt('conversation')[0]?.headers['authkey'], AUTH_KEY, 'only upstream is told');
});

const ARKOSE: readonly ((asked: Asked) => void)[] = [
  (asked) => sendJson(asked, 200, { token: ARKOSE_TOKEN }),
  (asked) => sendJson(asked, 500, { error: ARKOSE_TOKEN }),
  (asked) => send(asked, 200, 'text/html', ARKOSE_TOKEN),
];

function arkose(asked: Asked, nth: number): void {
  ARKOSE[nth % ARKOSE.length]?.(asked);
}

t.test('no proxy password, whatever the proxy does', async (t) => {
  const upstream = await startUpstream(t);
  const faults: ProxyFault[] = ['says nothing', 'resets', 'asks for a password', 'speaks no HTTP'];
  const ports = await Promise.all(faults.map((fault) => startBrokenProxy(t, fault)));
  const login = `${PROXY_USER}:${PROXY_PASSWORD}`;
  const urls = ports.flatMap((port) =>
    ['http', 'socks5', 'socks5h', 'https'].map((scheme) => `${scheme}://${login}@127.0.0.1:${port}`),
  );
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: [...urls, `http://${login}@127.0.0.1:1`].join(','),
    CONNECT_TIMEOUT_MS: '300',
    RETRY_TIMES: '0',
  });
  const answers = await Promise.all(
    Array.from({ length: urls.length + 1 }, (_, at) => askChat(program.port, { stream: at % 2 === 0 })),
  );
  t.ok(answers.every(({ status }) => status === 502 || status === 504));
  t.same(
    [...answers.map(shown), ...program.lines].map(leaks).filter((leak) => leak !== null),
    [],
  );
});

/** What a file can meet on its way to the model, and another on its way back. */
const FILE_SCENARIOS: readonly Partial<Scenario>[] = [
  { flow: 'plot' },
  { flow: 'plot', links: 'session' },
  { flow: 'plot', links: 'session', transport: 'websocket' },
  { flow: 'plot', at: 'download', error: 'server_error' },
  ...(['files', 'blob', 'uploaded'] as const).flatMap((at) => [
    { at, error: 'unauthorized' as const },
    { at, resetBeforeHeaders: true },
  ]),
];

t.test('no token and no proxy password on the ways of files', async (t) => {
  const table = await startUpstream(t, {
    landing: (asked) => send(asked, 200, 'text/csv', 'n,square\n'),
  });
  const working = await startProxy(t);
  const faults: ProxyFault[] = ['resets', 'asks for a password', 'speaks no HTTP'];
  const ports = await Promise.all(faults.map((fault) => startBrokenProxy(t, fault)));
  const proxies = [new URL(working.url).port, ...ports];
  const told: string[] = [];
  for (const proxyPort of proxies) {
    const world = await startWorld(t, {
      env: {
        EXPORT_PROXY_URL: `http://${PROXY_USER}:${PROXY_PASSWORD}@127.0.0.1:${proxyPort}`,
        AUTHORIZATION: KEY,
        LOG_LEVEL: 'trace',
      },
      seams: { allowAddress: () => true },
    });
    const { port, url } = world;
    const bearer = { authorization: `Bearer ${TOKEN},${ACCOUNT}` };
    const content = [
      { type: 'text', text: 'Look.' },
      { type: 'image_url', image_url: { url: `${table.origin}/` } },
    ];
    const fields = { messages: [{ role: 'user', content }] };
    const answers: Answer[] = [];
    for (const scenario of FILE_SCENARIOS) {
      await world.scenario(scenario);
      for (const stream of [true, false]) {
        answers.push(await askChat(port, { stream, token: `${TOKEN},${ACCOUNT}`, fields }));
      }
      answers.push(await askChat(port, { token: `${TOKEN},${ACCOUNT}` }));
      const body = JSON.stringify({ prompt: 'a cat' });
      answers.push(await ask(port, { path: '/v1/images/generations', headers: { ...bearer }, body }));
    }
    const links = answers.flatMap(({ text }) =>
      [...text.matchAll(/http:[^)"\\]+\/files\/[^)"\\]+/g)].map(String),
    );
    t.ok(links.length > 0, 'links of its own');
    for (const link of links) {
      answers.push(await ask(port, { method: 'GET', path: link.slice(url.length) }));
      answers.push(await ask(port, { method: 'GET', path: `${link.slice(url.length)}x` }));
    }
    t.ok(answers.some(({ status }) => status === 200) && answers.some(({ status }) => status >= 400));
    told.push(...answers.map(shown), ...world.logLines);
    const records = await world.requests();
    const blobs = records.filter(({ path }) => path.startsWith('/blob/'));
    t.same(blobs.map(({ headers }) => leaks(JSON.stringify(headers))).filter(Boolean), []);
    t.ok(
      records.some(
        ({ path, headers }) => path.endsWith('/estuary/content') && leaks(JSON.stringify(headers)),
      ),
    );
  }
  t.same(
    told.map(leaks).filter((leak) => leak !== null),
    [],
  );
  t.ok(working.targets.length > 0, 'the table came through the proxy');
});

t.test('bad settings: exit code 78, a line for each, no secret', async (t) => {
  const { exited, output } = spawnProgram(t, {
    PORT: '99999',
    PROXY_URL: `gopher://${PROXY_USER}:${PROXY_PASSWORD}@host`,
    AUTHORIZATION: `${KEY} with spaces`,
    AUTH_KEY: `${AUTH_KEY}\u0001`,
    ARKOSE_TOKEN_URL: `ftp://x/${ARKOSE_URL_TOKEN}`,
    RETRY_TIMES: 'many',
    LOG_LEVEL: 'loud',
  });
  t.equal(await exited, 78);
  const names = output()
    .trim()
    .split('\n')
    .map((line) => line.split(':', 1)[0]);
  t.equal(names.length, 7);
  t.same(
    new Set(names),
    new Set([
      'ARKOSE_TOKEN_URL',
      'AUTHORIZATION',
      'AUTH_KEY',
      'LOG_LEVEL',
      'PORT',
      'PROXY_URL',
      'RETRY_TIMES',
    ]),
  );
  t.equal(leaks(output()), null);
});

t.test('nor does the program as a process, printing for people', async (t) => {
  const upstream = await startUpstream(t, { conversation: (asked) => echo(asked, 500) });
  const running = spawnProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    AUTHORIZATION: KEY,
    AUTH_KEY,
    LOG_FORMAT: 'pretty',
    RETRY_TIMES: '0',
  });
  const port = (): string | undefined => /port: (\d+)/.exec(running.output())?.[1];
  t.ok(await until(() => port() !== undefined, 20_000));
  const answer = await askChat(Number(port()), { token: TOKEN });
  t.equal(answer.status, 502);
  running.child.kill('SIGTERM');
  t.equal(await running.exited, 0);
  t.match(running.output(), 'upstream_error');
  t.equal(leaks(shown(answer) + running.output()), null);
});
