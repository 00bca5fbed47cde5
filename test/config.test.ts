import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { ConfigError, parseConfig, type Config, type Env } from '../src/config.ts';
import { readEnvFile } from '../src/env-file.ts';
import { SETTINGS, type Setting } from '../src/settings.ts';

const SETTING_LIST = Object.values<Setting>(SETTINGS);

/** The lines of the ConfigError that the settings cause; none when they are fine. */
function problemsOf(env: Env): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

t.test('nothing set: the documented defaults, frozen', (t) => {
  const config = parseConfig({});
  t.match(config, {
    host: '0.0.0.0',
    port: 5005,
    apiPrefix: '',
    publicUrl: null,
    chatgptBaseUrls: ['https://chatgpt.com'],
    authKey: null,
    proxyUrls: [],
    exportProxyUrl: null,
    historyDisabled: true,
    arkoseTokenUrls: [],
    powDifficulty: '000032',
    powTimeoutMs: 20_000,
    retryTimes: 3,
    checkModel: false,
    conversationOnly: false,
    authorization: [],
    uploadByUrl: false,
    userAgent: /^Mozilla\/5\.0 .*Chrome/,
    maxInflight: 10_000,
    maxQueue: 10_000,
    queueTimeoutMs: 30_000,
    maxBodyBytes: 32 * 1024 * 1024,
    maxFileBytes: 100 * 1024 * 1024,
    connectTimeoutMs: 10_000,
    firstTokenTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 1_800_000,
    slowClientTimeoutMs: 60_000,
    drainTimeoutMs: 30_000,
    logLevel: 'info',
    logFormat: null,
    sandboxPort: 5006,
    adminKey: null,
    accountConcurrency: 2,
    enableLimit: true,
    scheduledRefresh: false,
    oauthTokenUrl: 'https://auth0.openai.com/oauth/token',
    keysFile: null,
    dataDir: './data',
    dataKey: null,
    powSearch: 'tail',
    presolve: 0,
    enableGateway: true,
    trustProxy: [],
  } satisfies Record<Exclude<keyof Config, 'powThreads'>, unknown>);
  t.ok(config.powThreads >= 1);
  t.ok(Object.isFrozen(config));
  for (const [key, value] of Object.entries(config)) t.ok(Object.isFrozen(value), `${key} is frozen`);
  t.end();
});

t.test('an empty value counts as not set', (t) => {
  const env = Object.fromEntries(SETTING_LIST.map(({ name }, index) => [name, index % 2 ? '' : '  ']));
  t.same(parseConfig(env), parseConfig({}));
  t.end();
});

t.test('each example is a good value', (t) => {
  for (const { name, example } of SETTING_LIST) t.same(problemsOf({ [name]: example }), [], name);
  t.end();
});

t.test('values in the forms that people write', (t) => {
  const cases: readonly [Env, Partial<Config>][] = [
    [{ PORT: ' 80 ' }, { port: 80 }],
    [{ HOST: '[::1]' }, { host: '::1' }],
    [{ API_PREFIX: '/my-prefix/' }, { apiPrefix: '/my-prefix' }],
    [{ API_PREFIX: 'a/b' }, { apiPrefix: '/a/b' }],
    [
      { CHATGPT_BASE_URL: 'https://a.test/ , http://b.test:8080/gate/,' },
      { chatgptBaseUrls: ['https://a.test', 'http://b.test:8080/gate'] },
    ],
    [
      { PROXY_URL: 'http://u:p%40ss@a.test:3128/,socks5h://b.test:1080' },
      { proxyUrls: ['http://u:p%40ss@a.test:3128', 'socks5h://b.test:1080'] },
    ],
    [{ EXPORT_PROXY_URL: 'socks5h://b.test/' }, { exportProxyUrl: 'socks5h://b.test' }],
    [
      { MAX_FILE_BYTES: '1.5 MB', UPLOAD_BY_URL: 'on' },
      { maxFileBytes: 1.5 * 1024 * 1024, uploadByUrl: true },
    ],
    [
      { ENABLE_GATEWAY: 'off', TRUST_PROXY: '127.0.0.1, fd00::/8,10.0.0.0/8' },
      { enableGateway: false, trustProxy: ['127.0.0.1', 'fd00::/8', '10.0.0.0/8'] },
    ],
    [{ ARKOSE_TOKEN_URL: 'http://arkose:5006/token' }, { arkoseTokenUrls: ['http://arkose:5006/token'] }],
    [{ ARK0SE_TOKEN_URL: 'http://a.test/' }, { arkoseTokenUrls: ['http://a.test'] }],
    [
      { ARKOSE_TOKEN_URL: 'http://a.test', ARK0SE_TOKEN_URL: 'http://b.test' },
      { arkoseTokenUrls: ['http://a.test'] },
    ],
    [{ AUTHORIZATION: 'sk-1, sk-2 ,,' }, { authorization: ['sk-1', 'sk-2'] }],
    [{ POW_DIFFICULTY: '00003A' }, { powDifficulty: '00003a' }],
    [
      { LOG_LEVEL: 'DEBUG', LOG_FORMAT: 'pretty' },
      { logLevel: 'debug', logFormat: 'pretty' },
    ],
    [
      { USER_AGENT: 'Mozilla/5.0 (X) (KHTML, like Gecko)' },
      { userAgent: 'Mozilla/5.0 (X) (KHTML, like Gecko)' },
    ],
    [{ USER_AGENTS: 'Mozilla/5.0 (A, b), Mozilla/5.0 (B)' }, { userAgent: 'Mozilla/5.0 (A, b)' }],
    [{ USER_AGENTS: `['Mozilla/5.0 (A, b)', 'Mozilla/5.0 (B)']` }, { userAgent: 'Mozilla/5.0 (A, b)' }],
  ];
  for (const [env, expected] of cases) t.match(parseConfig(env), expected, JSON.stringify(env));
  t.end();
});

t.test('booleans', (t) => {
  for (const text of ['true', '1', 'yes', 'on', 't', 'y', 'True', 'ON']) {
    t.equal(parseConfig({ CONVERSATION_ONLY: text }).conversationOnly, true, text);
  }
  for (const text of ['false', '0', 'no', 'off', 'f', 'n', 'False', 'OFF']) {
    t.equal(parseConfig({ HISTORY_DISABLED: text }).historyDisabled, false, text);
  }
  t.end();
});

t.test('sizes', (t) => {
  const sizes = {
    '4096': 4096,
    '100kb': 102_400,
    '32mb': 33_554_432,
    '32 MiB': 33_554_432,
    '1.5m': 1_572_864,
    '1G': 2 ** 30,
    '7b': 7,
  };
  for (const [text, bytes] of Object.entries(sizes)) {
    t.equal(parseConfig({ MAX_BODY_BYTES: text }).maxBodyBytes, bytes, text);
  }
  t.end();
});

t.test('each bad value has a line that names the variable, the problem and an example', (t) => {
  const bad: readonly [string, string, RegExp][] = [
    ['HOST', 'not a host', /IP address/],
    ['PORT', '70000', /"70000" is not a whole number from 0 to 65535/],
    ['PORT', '0x10', /whole number/],
    ['API_PREFIX', 'a b', /path of/],
    ['API_PREFIX', 'a/../b', /path of/],
    ['CHATGPT_BASE_URL', 'https://a.test,chatgpt.com', /item 2 is not a URL with http:\/\/ or https:\/\//],
    ['CHATGPT_BASE_URL', 'https://u:p@a.test', /user name or password/],
    ['CHATGPT_BASE_URL', 'https://a.test?x=1', /must not contain/],
    ['CHATGPT_BASE_URL', ',', /without a single item/],
    ['PROXY_URL', 'ftp://a.test', /socks5h/],
    ['PROXY_URL', 'a.test:3128', /socks5h/],
    ['PROXY_URL', 'socks5://', /socks5h/],
    ['PROXY_URL', 'http://a.test/path', /end after host and port/],
    ['AUTHORIZATION', ', ,', /the value is a list without a single item/],
    ['AUTHORIZATION', 'sk-1,two words', /item 2 has characters/],
    ['AUTH_KEY', 'line\nbreak', /header/],
    ['ARK0SE_TOKEN_URL', 'token', /ARK0SE_TOKEN_URL: item 1 is not a URL/],
    ['HISTORY_DISABLED', 'maybe', /neither true/],
    ['POW_DIFFICULTY', '0x32', /hexadecimal/],
    ['POW_THREADS', '0', /whole number from 1/],
    ['RETRY_TIMES', '-1', /whole number/],
    ['MAX_BODY_BYTES', '0', /size/],
    ['MAX_BODY_BYTES', '32 tb', /size/],
    ['MAX_BODY_BYTES', '2gb', /size/],
    ['TOTAL_TIMEOUT_MS', '9999999999', /whole number/],
    ['USER_AGENT', 'Mozilla \u{1f600}', /header/],
    ['ENABLE_GATEWAY', 'maybe', /neither true/],
    ['TRUST_PROXY', '10.0.0.0/33', /item 1 is neither an IP address nor a range/],
    ['TRUST_PROXY', '127.0.0.1,localhost', /item 2/],
    ['LOG_LEVEL', 'loud', /none of trace, debug/],
    ['LOG_FORMAT', 'xml', /none of json, pretty/],
  ];
  for (const [name, value, pattern] of bad) {
    const problems = problemsOf({ [name]: value });
    t.equal(problems.length, 1, `${name}=${value}`);
    t.match(problems[0], pattern);
    t.match(problems[0], new RegExp(`^${name}: .* \\(example: ${name}=`));
  }
  t.end();
});

t.test('all problems are told at once, one line each', (t) => {
  const problems = problemsOf({ PORT: 'x', RETRY_TIMES: 'y', LOG_LEVEL: 'z', HOST: 'fine.test' });
  t.same(
    problems.map((line) => line.split(':')[0]),
    ['PORT', 'RETRY_TIMES', 'LOG_LEVEL'],
  );
  t.equal(new ConfigError(problems).message.split('\n').length, 3);
  t.end();
});

t.test('what is not a setting in force is ignored', (t) => {
  const env = {
    PATH: '/bin',
    __proto__: 'x',
  };
  t.same(parseConfig(env), parseConfig({}));
  t.end();
});

t.test('no bad value of a secret is ever shown', (t) => {
  const canary = 'canary-7f3a';
  const spoilers = [
    `\n${canary}`,
    `${canary}\u00e9`,
    `http://u:${canary}@h/p q`,
    `ftp://${canary}@h`,
    `,,${canary} \u0000,`,
  ];
  for (const name of [
    'AUTH_KEY',
    'PROXY_URL',
    'EXPORT_PROXY_URL',
    'AUTHORIZATION',
    'ARKOSE_TOKEN_URL',
    'CHATGPT_BASE_URL',
  ]) {
    for (const value of [...spoilers, `https://u:${canary}@h`]) {
      t.notMatch(problemsOf({ [name]: value }).join('\n'), canary, `${name}=${JSON.stringify(value)}`);
    }
  }
  t.end();
});

t.test('no value makes it throw anything but a ConfigError', (t) => {
  const env = fc.dictionary(
    fc.constantFrom(...SETTING_LIST.flatMap(({ name, aliases }) => [name, ...aliases])),
    fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webUrl(), fc.integer().map(String)),
  );
  fc.assert(
    fc.property(env, (env) => problemsOf(env).every((line) => /^\w+: .+ \(example: \w+=.+\)$/s.test(line))),
  );
  t.end();
});

t.test('.env', (t) => {
  const directory = t.testdir();
  const file = (text: string | Uint8Array): string => {
    const path = join(directory, '.env');
    writeFileSync(path, text);
    return path;
  };
  t.same(readEnvFile(join(directory, 'none'), { PORT: '1' }), { PORT: '1' }, 'a missing file is fine');
  const path = file('# comment\nPORT=1\nexport HOST="a.test"\nLOG_LEVEL=debug # loud\n\nAUTH_KEY=\'a b\'\n');
  t.same(readEnvFile(path), { PORT: '1', HOST: 'a.test', LOG_LEVEL: 'debug', AUTH_KEY: 'a b' });
  t.match(readEnvFile(path, { PORT: '2', HOST: '' }), { PORT: '2', HOST: 'a.test' }, 'the environment wins');
  t.throws(() => readEnvFile(file(new Uint8Array([0x50, 0xff, 0xfe]))), {
    name: 'ConfigError',
    message: /UTF-8/,
  });
  mkdirSync(join(directory, 'folder'));
  t.throws(() => readEnvFile(join(directory, 'folder')), {
    name: 'ConfigError',
    message: /cannot be read \(EISDIR\)/,
  });
  t.end();
});
