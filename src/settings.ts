import { availableParallelism } from 'node:os';
import type { Parser } from './setting-value.ts';
import {
  addressRange,
  baseUrl,
  bearerKey,
  byteCount,
  endpointUrl,
  filePath,
  flag,
  headerText,
  hexDigits,
  listenHost,
  listOf,
  oneOf,
  pathPrefix,
  proxyUrl,
  userAgent,
  wholeNumber,
} from './setting-value.ts';

export type SettingValue = string | number | boolean | null | readonly string[];

/** One row of the table below: all there is to know about one variable. */
export interface Setting<T extends SettingValue = SettingValue> {
  readonly name: string;
  readonly parse: Parser<T>;
  /** In force when the variable is not set. */
  readonly fallback: T;
  /** One line for the README. */
  readonly meaning: string;
  /** A good value, shown beside a bad one. */
  readonly example: string;
  /** Other spellings that are read when `name` is not set. */
  readonly aliases: readonly string[];
  /** The value must never be shown. */
  readonly secret: boolean;
  /** The default in words, where the value itself would not tell. */
  readonly fallbackInWords: string | null;
}

const MIB = 1024 ** 2;
/** The longest delay that a timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const port = wholeNumber(0, 65_535);
const deadlineMs = wholeNumber(1, MAX_TIMER_MS);
const desktopBrowser =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36';

/** Every setting in force, under the key it has in `Config`. The README's table is made from it. */
export const SETTINGS = {
  host: row('HOST', listenHost, '0.0.0.0', 'address to listen on', '127.0.0.1'),
  port: row('PORT', port, 5005, 'port to listen on', '8080'),
  apiPrefix: row('API_PREFIX', pathPrefix, '', 'every route lives under `/{prefix}`', 'my-secret-path'),
  publicUrl: row(
    'PUBLIC_URL',
    baseUrl,
    null,
    'address under which clients reach the proxy, for links to files; `API_PREFIX` is added to it',
    'https://chat.example.com',
    { fallbackInWords: "`http://` and the request's `Host`" },
  ),
  chatgptBaseUrls: row(
    'CHATGPT_BASE_URL',
    listOf(baseUrl),
    ['https://chatgpt.com'],
    'upstream gateways, comma list; load is spread over the healthy ones',
    'https://chatgpt.com,http://10.0.0.2:8080',
  ),
  authKey: row(
    'AUTH_KEY',
    headerText,
    null,
    'sent as header `authkey` to a private gateway',
    'a-long-secret',
    {
      secret: true,
    },
  ),
  proxyUrls: row(
    'PROXY_URL',
    listOf(proxyUrl),
    [],
    'outbound proxies, comma list: `http://`, `https://`, `socks5://`, `socks5h://`, with `user:password@` where needed',
    'http://user:password@10.0.0.3:3128,socks5h://10.0.0.4:1080',
    { secret: true },
  ),
  exportProxyUrl: row(
    'EXPORT_PROXY_URL',
    proxyUrl,
    null,
    "proxy for fetching the images and files that users name by URL, so that this machine's address does not show",
    'socks5h://user:password@10.0.0.5:1080',
    { secret: true },
  ),
  historyDisabled: row(
    'HISTORY_DISABLED',
    flag,
    true,
    '`true`: temporary chats; `false`: chats are kept, and their ids returned and accepted',
    'false',
  ),
  arkoseTokenUrls: row(
    'ARKOSE_TOKEN_URL',
    listOf(endpointUrl),
    [],
    'services that solve Arkose challenges, comma list; `ARK0SE_TOKEN_URL` is read too',
    'http://arkose:5006/token',
    { secret: true, aliases: ['ARK0SE_TOKEN_URL'] },
  ),
  powDifficulty: row(
    'POW_DIFFICULTY',
    hexDigits,
    '000032',
    'the hardest proof of work accepted, hexadecimal: a smaller number is harder, one at or below this is refused',
    '000032',
  ),
  powThreads: row(
    'POW_THREADS',
    wholeNumber(1, 1024),
    Math.max(1, availableParallelism() - 1),
    'worker threads for proofs of work',
    '2',
    { fallbackInWords: 'cores - 1, at least 1' },
  ),
  powTimeoutMs: row('POW_TIMEOUT_MS', deadlineMs, 20_000, 'longest time for one proof of work', '20000'),
  retryTimes: row(
    'RETRY_TIMES',
    wholeNumber(0, 100),
    3,
    'further attempts before the first byte, on another account and proxy where there is one',
    '3',
  ),
  enableGateway: row(
    'ENABLE_GATEWAY',
    flag,
    true,
    'reverse proxy of the web UI on every path that is not ours; `false`: they answer 404',
    'false',
  ),
  trustProxy: row(
    'TRUST_PROXY',
    listOf(addressRange),
    [],
    'reverse proxies in front of this one, addresses and CIDR ranges: their `X-Forwarded-Proto`, `-Host` and `-For` are believed',
    '127.0.0.1,10.0.0.0/8',
  ),
  checkModel: row('CHECK_MODEL', flag, false, "ask upstream's model list before using a model", 'true'),
  conversationOnly: row(
    'CONVERSATION_ONLY',
    flag,
    false,
    'skip requirements and proof, for gateways that add them',
    'true',
  ),
  authorization: row(
    'AUTHORIZATION',
    listOf(bearerKey),
    [],
    'keys that clients may use, comma list; once set, other credentials are refused unless they are upstream tokens',
    'sk-first,sk-second',
    { secret: true },
  ),
  adminKey: row(
    'ADMIN_KEY',
    bearerKey,
    null,
    'enables the accounts page (`/tokens`) and the admin API; not set: they answer 404',
    'a-long-secret',
    { secret: true },
  ),
  accountConcurrency: row(
    'ACCOUNT_CONCURRENCY',
    wholeNumber(1, 1_000),
    2,
    'conversations at once per account; learned down to 1 when upstream says "one message at a time"',
    '2',
  ),
  enableLimit: row(
    'ENABLE_LIMIT',
    flag,
    true,
    "remember and honour upstream's own limits per account and model",
    'false',
  ),
  scheduledRefresh: row(
    'SCHEDULED_REFRESH',
    flag,
    false,
    'refresh access tokens ahead of expiry in the background',
    'true',
  ),
  oauthTokenUrl: row(
    'OAUTH_TOKEN_URL',
    endpointUrl,
    'https://auth0.openai.com/oauth/token',
    'where refresh tokens are exchanged for access tokens',
    'https://auth.openai.com/oauth/token',
  ),
  keysFile: row(
    'KEYS_FILE',
    filePath,
    null,
    'JSON file with limits for keys, and more keys; read at start',
    './keys.json',
  ),
  dataDir: row('DATA_DIR', filePath, './data', 'what survives a restart', '/var/lib/chat2api'),
  dataKey: row(
    'DATA_KEY',
    bearerKey,
    null,
    'encrypts the tokens in `DATA_DIR`; without it they are stored as they are',
    'a-long-secret',
    { secret: true },
  ),
  powSearch: row(
    'POW_SEARCH',
    oneOf('tail', 'nonce'),
    'tail',
    'what proofs of work vary: `tail` a field near the end, `nonce` the counters of the original, many times slower',
    'nonce',
  ),
  presolve: row(
    'PRESOLVE',
    wholeNumber(0, 100),
    0,
    'solved clearances kept ready per busy account and address; 0: none',
    '2',
  ),
  uploadByUrl: row(
    'UPLOAD_BY_URL',
    flag,
    false,
    "URLs at the start of a user's message become attachments",
    'true',
  ),
  userAgent: row(
    'USER_AGENT',
    userAgent,
    desktopBrowser,
    'the browser that headers and proofs speak for; the first of `USER_AGENTS` is read too',
    desktopBrowser,
    { aliases: ['USER_AGENTS'], fallbackInWords: 'a current desktop browser' },
  ),
  maxInflight: row('MAX_INFLIGHT', wholeNumber(1, 1_000_000), 10_000, 'chats served at once', '10000'),
  maxQueue: row('MAX_QUEUE', wholeNumber(0, 1_000_000), 10_000, 'chats waiting; beyond: 503', '10000'),
  queueTimeoutMs: row(
    'QUEUE_TIMEOUT_MS',
    deadlineMs,
    30_000,
    'longest wait in that queue; then 503',
    '30000',
  ),
  maxBodyBytes: row(
    'MAX_BODY_BYTES',
    byteCount(1024 * MIB),
    32 * MIB,
    'largest request body, `32mb` and `100kb` forms accepted; beyond: 413',
    '32mb',
    { fallbackInWords: '32 MiB' },
  ),
  maxFileBytes: row(
    'MAX_FILE_BYTES',
    byteCount(10 * 1024 * MIB),
    100 * MIB,
    'largest file of a user, by URL or in the request; beyond: 413',
    '100mb',
    { fallbackInWords: '100 MiB' },
  ),
  connectTimeoutMs: row(
    'CONNECT_TIMEOUT_MS',
    deadlineMs,
    10_000,
    'longest time to connect upstream',
    '10000',
  ),
  firstTokenTimeoutMs: row(
    'FIRST_TOKEN_TIMEOUT_MS',
    deadlineMs,
    60_000,
    "longest wait for an answer's first token",
    '60000',
  ),
  idleTimeoutMs: row('IDLE_TIMEOUT_MS', deadlineMs, 60_000, 'longest silence within an answer', '60000'),
  totalTimeoutMs: row(
    'TOTAL_TIMEOUT_MS',
    deadlineMs,
    1_800_000,
    'longest time for a whole answer',
    '1800000',
  ),
  slowClientTimeoutMs: row(
    'SLOW_CLIENT_TIMEOUT_MS',
    deadlineMs,
    60_000,
    'a client that reads nothing for so long is cut off',
    '60000',
  ),
  drainTimeoutMs: row(
    'DRAIN_TIMEOUT_MS',
    wholeNumber(0, MAX_TIMER_MS),
    30_000,
    'time that open streams get to finish after SIGTERM',
    '30000',
  ),
  logLevel: row(
    'LOG_LEVEL',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
    'info',
  ),
  logFormat: row('LOG_FORMAT', oneOf('json', 'pretty'), null, '`json` or `pretty`', 'json', {
    fallbackInWords: '`json`, on a terminal `pretty`',
  }),
  sandboxPort: row('SANDBOX_PORT', port, 5006, 'port of the stand-in backend of `npm run sandbox`', '5006'),
} as const;

/** The settings as a Markdown table, for the README. */
export function settingsTable(): string {
  const rows = Object.values<Setting>(SETTINGS).map(
    (setting) => `| \`${setting.name}\` | ${defaultOf(setting)} | ${setting.meaning} |`,
  );
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

/** The default as the README shows it: in code form where it can be copied into a `.env`. */
export function defaultOf(setting: Setting): string {
  const { fallback, fallbackInWords } = setting;
  if (fallbackInWords !== null) return fallbackInWords;
  const text = String(fallback ?? '');
  return text === '' ? 'none' : `\`${text}\``;
}

function row<T extends SettingValue>(
  name: string,
  parse: Parser<T>,
  fallback: T,
  meaning: string,
  example: string,
  extras: Partial<Pick<Setting<T>, 'aliases' | 'secret' | 'fallbackInWords'>> = {},
): Setting<T> {
  Object.freeze(fallback);
  return {
    name,
    parse,
    fallback,
    meaning,
    example,
    aliases: [],
    secret: false,
    fallbackInWords: null,
    ...extras,
  };
}
