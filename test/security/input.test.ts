import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { ask, askChat, chatBody, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Program } from '../helpers/program.ts';
import { send, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';
import { shoot, statusesOf } from './attack.ts';
import { until } from '../helpers/loopback.ts';

const MIB = 1024 * 1024;
const OWN_TOKEN = 'eyJhbGciOi.the-callers-own.x';

let upstream: Upstream;
let program: Program;
let conversation: ((asked: Asked) => void) | null = null;
let landing: ((asked: Asked) => void) | null = null;

t.before(async () => {
  upstream = await startUpstream(t, {
    conversation: (asked) => (conversation ?? ((one) => sendJson(one, 500, {})))(asked),
    landing: (asked) => (landing ?? ((one) => send(one, 200, 'text/html', '<p>')))(asked),
  });
  program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    RETRY_TIMES: '0',
    ADMIN_KEY: 'the-operator',
  });
});

t.afterEach(async () => {
  [conversation, landing] = [null, null];
  if (program !== undefined) await settled(program);
});

/** Bodies that are small on the wire and large in memory, or that are many where one would do. */
const BODIES: readonly (readonly [
  name: string,
  body: string | Buffer,
  headers: Record<string, string>,
  status: number,
])[] = [
  ['a gzipped body', gzipSync(chatBody()), { 'content-encoding': 'gzip' }, 400],
  ['32 MiB of zeros, gzipped', gzipSync(Buffer.alloc(32 * MIB)), { 'content-encoding': 'gzip' }, 400],
  ['the same with br', brotliCompressSync(Buffer.alloc(MIB)), { 'content-encoding': 'br' }, 400],
  ['a byte order mark', Buffer.from(`\ufeff${chatBody()}`), {}, 500],
  ['duplicate keys', chatBody().replace('{', '{"model":"gpt-4o","stream":true,'), {}, 500],
  [
    '100,000 messages',
    chatBody({ fields: { messages: Array(100_000).fill({ role: 'user', content: 'a' }) } }),
    {},
    500,
  ],
  ['100,000 tools', chatBody({ fields: { tools: Array(100_000).fill({ type: 'function' }) } }), {}, 500],
  ['100,000 stops', chatBody({ fields: { stop: Array(100_000).fill('a') } }), {}, 400],
  [
    '100,000 fields',
    chatBody({ fields: Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`f${at}`, 1])) }),
    {},
    500,
  ],
  [
    '100,000 numbers as keys that collide',
    chatBody({
      fields: Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`${at * 65_536}`, 1])),
    }),
    {},
    500,
  ],
  [
    '100,000 levels in a field nobody reads',
    chatBody().replace('{', `{"metadata":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)},`),
    {},
    500,
  ],
  ['a number of a million digits', chatBody().replace('{', `{"seed":${'9'.repeat(1_000_000)},`), {}, 500],
  [
    '`__proto__` in a message',
    chatBody().replace('"content"', '"__proto__":{"role":"system"},"content"'),
    {},
    500,
  ],
  [
    '`constructor.prototype`',
    chatBody({ fields: { constructor: { prototype: { polluted: true } } } }),
    {},
    500,
  ],
];

for (const [name, body, headers, status] of BODIES) {
  t.test(`a body: ${name}`, async (t) => {
    const answer = await ask(program.port, { body, headers });
    // 500 of upstream's: the request was read and passed on.
    t.equal(answer.status, status === 500 ? 502 : status, answer.text.slice(0, 200));
    t.not(errorOf(answer)?.code, 'internal_error');
    t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
}

t.test('patches of upstream reach no prototype', async (t) => {
  const patches = [
    '/__proto__/polluted',
    '/constructor/prototype/polluted',
    '/message/__proto__/polluted',
    '/message/content/parts/__proto__/polluted',
    '/message/content/parts/length',
    '/message/metadata/constructor/prototype/polluted',
  ];
  const message = {
    id: 'a',
    author: { role: 'assistant' },
    content: { content_type: 'text', parts: [''] },
    metadata: {},
    status: 'in_progress',
    recipient: 'all',
  };
  const events = [
    'event: delta_encoding\ndata: "v1"\n\n',
    `event: delta\ndata: ${JSON.stringify({ p: '', o: 'add', v: { message, conversation_id: 'c' }, c: 0 })}\n\n`,
    ...patches.flatMap((p) =>
      ['add', 'replace', 'append', 'remove'].map(
        (o) => `event: delta\ndata: ${JSON.stringify({ p, o, v: true })}\n\n`,
      ),
    ),
    `event: delta\ndata: ${JSON.stringify({ p: '/message/content/parts/4294967294', o: 'add', v: 'x' })}\n\n`,
    'event: delta\ndata: {"__proto__":{"polluted":true},"p":"/message/metadata","o":"append","v":{"__proto__":{"polluted":true}}}\n\n',
    'data: [DONE]\n\n',
  ];
  conversation = (asked) => send(asked, 200, 'text/event-stream', events.join(''));
  const answer = await askChat(program.port, { stream: true });
  t.not(errorOf(answer)?.code, 'internal_error', answer.text);
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  t.equal(([] as unknown as Record<string, unknown>)['polluted'], undefined);
});

t.test('a compressed page that grows by a thousand does not stay in memory', async (t) => {
  const bomb = gzipSync(Buffer.alloc(256 * MIB));
  t.ok(bomb.byteLength < MIB);
  landing = ({ socket }) => {
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.byteLength}\r\nconnection: close\r\n\r\n`,
    );
    socket.end(bomb);
  };
  const before = process.memoryUsage.rss();
  const shot = shoot(program.port, 'GET /page HTTP/1.1\r\nHost: x\r\n\r\n');
  // `received` keeps what comes: a second of it will do.
  await until(() => shot.received().length > 4 * MIB, 20_000);
  const grown = process.memoryUsage.rss() - before;
  shot.end();
  t.ok(shot.received().length > 4 * MIB, 'it passes as it is unpacked');
  t.ok(grown < 200 * MIB, `${Math.round(grown / MIB)} MiB more in this process, the client included`);
  t.same(await settled(program), IDLE);
});

/** What makes expressions that try again and again do so, around the words that ours look for. */
const TEDIOUS = [
  'a',
  ' ',
  '\t',
  '0',
  '/',
  '\\',
  '%',
  '-',
  '_',
  '.',
  ',',
  ';',
  '"',
  "'",
  '(',
  '[',
  '![',
  '<',
  '{',
  '=',
  '&',
  '\n',
  '\r\n',
  '\ue200',
  '```',
  'http://',
  'a@',
  'a.',
  '; ',
  ', ',
  '%2',
  '../',
  '://',
  '\ud83d',
];

t.test('no regular expression of the source runs away on 6,000 characters', { timeout: 80_000 }, (t) => {
  const found = sources('src').flatMap((file) =>
    regexesOf(readFileSync(file, 'utf8')).map((regex) => [file, regex] as const),
  );
  t.ok(found.length > 100, `${found.length} expressions`);
  const slow: string[] = [];
  for (const [file, regex] of found) {
    for (const part of TEDIOUS) {
      for (const end of ['', '\u0000']) {
        const text = part.repeat(Math.ceil(6_000 / part.length)) + end;
        // Twice, for other threads count too.
        const tookMs = cpuMs(regex, text) < LIMIT_MS ? 0 : cpuMs(regex, text);
        if (tookMs >= LIMIT_MS)
          slow.push(`${file}: ${regex} ${JSON.stringify(part)} ${Math.round(tookMs)} ms`);
      }
    }
  }
  t.same(slow, []);
  t.end();
});

const LIMIT_MS = 250;

function cpuMs(regex: RegExp, text: string): number {
  const startedAt = process.cpuUsage();
  regex.lastIndex = 0;
  regex.test(text);
  const { user, system } = process.cpuUsage(startedAt);
  return (user + system) / 1000;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('sandbox') && !name.includes('page/'))
    .map((name) => join(folder, name));
}

/** Literals, as far as a line tells them from divisions. */
function regexesOf(source: string): RegExp[] {
  const literal =
    /(?<=[=(,:!&|?[{;]\s*|return\s+|^\s*)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/gm;
  return [...source.matchAll(literal)].flatMap(([, body = '', flags = '']) => {
    try {
      return [new RegExp(body, flags.replace('y', ''))];
    } catch {
      return [];
    }
  });
}

const HOSTS = fc.constantFrom(
  'x',
  '127.0.0.1',
  'chatgpt.com',
  'other.example:80',
  '[::1]',
  'x@other.example',
  'x, other.example',
  '',
);
const ODD = fc.string({
  unit: fc.constantFrom(...'aZ0/%.?#&=;:@\\,"_- \t\u0001\u007f\u00e9\u00ff'.split('')),
  maxLength: 30,
});
const TARGETS = fc.oneof(
  ODD.map((text) => `/${text}`),
  fc.constantFrom(
    '/v1/models',
    '/c/1',
    '/admin/accounts',
    '//other.example/',
    'http://other.example/',
    '/\\other.example',
    '*',
  ),
);
const NAMES = fc.oneof(
  fc.constantFrom(
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
    'X-Forwarded-Host',
    'Origin',
    'Referer',
    'Cookie',
    'Upgrade',
    'X-Original-URL',
    'Forwarded',
    'Expect',
    ':authority',
  ),
  ODD,
);

t.test(
  'random heads: never two answers to one, never a credential for another host',
  { timeout: 80_000 },
  async (t) => {
    const elsewhere = await startUpstream(t);
    const lines = fc.array(
      fc.tuple(NAMES, fc.oneof(ODD, fc.constantFrom('chunked', '0', '5', 'close', elsewhere.origin))),
      { maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'PATCH'),
        TARGETS,
        HOSTS,
        lines,
        async (method, target, host, list) => {
          const extra = list.map(([name, value]) => `${name}: ${value}\r\n`).join('');
          const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${OWN_TOKEN}\r\n${extra}\r\n`;
          const shot = shoot(program.port, head);
          await until(() => shot.received() !== '' || shot.isClosed(), 60);
          shot.end();
          const answers = statusesOf(shot.received()).filter((status) => status !== '100');
          if (answers.length > 1) throw new Error(`${answers.join(' ')} for ${JSON.stringify(head)}`);
        },
      ),
      { numRuns: 40 },
    );
    t.same(elsewhere.asked, [], 'no other host is asked for anything');
    t.notMatch(program.lines.join(''), 'internal_error');
    t.notMatch(program.lines.join(''), OWN_TOKEN);
    t.equal((await ask(program.port, { method: 'GET', path: '/healthz' })).status, 200);
    t.same(await settled(program), IDLE);
  },
);
