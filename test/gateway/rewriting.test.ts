import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { bodyKind } from '../../src/gateway/body-kind.ts';
import { toOwnPolicy } from '../../src/gateway/content-policy.ts';
import { toOwnCookie, toUpstreamCookies } from '../../src/gateway/cookies.ts';
import { createTextBody } from '../../src/gateway/text-body.ts';
import { upstreamHosts } from '../../src/gateway/upstream-hosts.ts';
import { createUrlRewriter } from '../../src/gateway/url-rewriter.ts';

const OWN = 'http://127.0.0.1:5005';
const HOSTS = upstreamHosts(['http://10.0.0.9:8080', 'https://chatgpt.com']);
const rewriter = createUrlRewriter(HOSTS, OWN);
const http = { url: OWN, host: '127.0.0.1:5005', isSecure: false };
const https = { url: 'https://chat.test', host: 'chat.test', isSecure: true };

t.test('which URLs become ours, and in which dress', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['https://chatgpt.com', OWN],
    ['https://chatgpt.com/c/1?x=1', `${OWN}/c/1?x=1`],
    ['HTTPS://ChatGPT.com/x', `${OWN}/x`],
    ['http://chat.openai.com:80/', `${OWN}/`],
    ['https://ab.chatgpt.com:443/v1', `${OWN}/v1`],
    ['wss://chatgpt.com/sock', 'ws://127.0.0.1:5005/sock'],
    ['"//cdn.oaistatic.com/a.js"', '"//127.0.0.1:5005/a.js"'],
    [String.raw`"https:\/\/files.oaiusercontent.com\/file-1"`, String.raw`"http:\/\/127.0.0.1:5005\/file-1"`],
    [
      String.raw`"https:\u002F\u002Fchatgpt.com\u002Fx"`,
      String.raw`"http:\u002F\u002F127.0.0.1:5005\u002Fx"`,
    ],
    ['?to=https%3A%2F%2Fchatgpt.com%2Fx', '?to=http%3A%2F%2F127.0.0.1%3A5005%2Fx'],
    [String.raw`"see\nhttps://chatgpt.com"`, String.raw`"see\n${OWN}"`],
    ['http://10.0.0.9:8080/x', `${OWN}/x`],
    ['at https://chatgpt.com.', `at ${OWN}.`],
    ['ünïcode https://chatgpt.com/é', `ünïcode ${OWN}/é`],
  ];
  for (const [before, after] of cases) t.equal(rewriteUtf8(before), after);
  const kept = [
    'https://chatgpt.com.evil.test/',
    'https://notchatgpt.com/',
    'https://chatgpt.community/',
    'https://chatgpt.com:8443/',
    'https%3A%2F%2Fchatgpt.com%3A8443',
    'https://evil.test//chatgpt.com/',
    'ftp://chatgpt.com/',
    'mail@chatgpt.com',
    'http://10.0.0.9:80801/',
    'https://auth.openai.com/',
  ];
  for (const text of kept) t.equal(rewriteUtf8(text), text);
  t.end();
});

/** Built of what matches are built of, so that nearly every text has whole ones, halves and look-alikes. */
const words = String.raw`https http wss ws : // / \/\/ \u002F\u002F %3A %2F%2F https:// https://chatgpt.com
  //cdn.oaistatic.com :443 :80 :8 . x - " é`;
const pieces = fc.constantFrom(...HOSTS, ...words.split(/\s+/), ' ', '\n');
const texts = fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join(''));

t.test('however a text is cut, it comes out as if it were whole', (t) => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(200), { maxLength: 12 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const stream = rewriter.open();
      const out: Buffer[] = [];
      let at = 0;
      for (const cut of [...cuts.map((length) => at + length), bytes.length]) {
        out.push(stream.push(bytes.subarray(at, Math.max(at, cut))));
        at = Math.max(at, cut);
      }
      out.push(stream.push(bytes.subarray(at)), stream.end());
      return Buffer.concat(out).toString() === rewriteUtf8(text);
    }),
    { numRuns: 1_500 },
  );
  fc.assert(
    fc.property(texts, (text) => {
      const stream = rewriter.open();
      const out = [...Buffer.from(text)].map((byte) => stream.push(Uint8Array.of(byte)));
      return Buffer.concat([...out, stream.end()]).toString() === rewriteUtf8(text);
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test('only what may become a URL is kept back, and never much', (t) => {
  const stream = rewriter.open();
  t.equal(stream.push(Buffer.from('{"a":1}')).toString(), '{"a":1}');
  t.equal(stream.push(Buffer.from('"https://chat')).toString(), '"');
  t.equal(stream.push(Buffer.from('gpt.com/"')).toString(), `${OWN}/"`);
  const all = stream.push(Buffer.alloc(100_000, 'a')).length;
  t.ok(all > 99_800, `${all} of 100000 bytes went on`);
  t.end();
});

t.test('bodies that came compressed, cut anywhere', async (t) => {
  const page = `${'<a href="https://chatgpt.com/x">é</a>\n'.repeat(2_000)}`;
  const packings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
  for (const [encoding, pack] of [...Object.entries(packings), ['deflate', deflateRawSync] as const]) {
    t.equal(await passed(encoding, pack(Buffer.from(page))), rewriteUtf8(page), encoding);
  }
  await t.rejects(passed('gzip', gzipSync(page).subarray(0, 100)), 'cut off');
  await t.rejects(passed('gzip', Buffer.from('not gzip at all')));
});

/** What comes out of a body that comes in small pieces and goes into a sink that says stop each time. */
function passed(encoding: string, packed: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    let at = 0;
    const body = createTextBody({
      encoding,
      rewriting: rewriter.open(),
      sink: {
        write(chunk) {
          out.push(Buffer.from(chunk));
          setImmediate(() => body.resume());
          return false;
        },
        end: () => resolve(Buffer.concat(out).toString()),
      },
      onTaken: feed,
      onBroken: reject,
    });
    function feed(): void {
      while (at < packed.length) {
        at += 7;
        if (!body.write(packed.subarray(at - 7, at))) return;
      }
      if (at < Number.POSITIVE_INFINITY) body.end();
      at = Number.POSITIVE_INFINITY;
    }
    feed();
  });
}

t.test('what is rewritten, and what is left alone', (t) => {
  const kind = (type: string, path = '/x', status = 200, encoding = '') =>
    bodyKind(path, status, { 'content-type': type, 'content-encoding': encoding }).kind;
  for (const type of [
    'text/html; charset=utf-8',
    'text/css',
    'text/javascript',
    'application/javascript',
    'application/json',
    'application/manifest+json',
    'application/problem+json',
    'application/xml',
    'image/svg+xml',
  ])
    t.equal(kind(type), 'text', type);
  for (const type of ['image/png', 'application/octet-stream', 'font/woff2', 'text/plain', '', 'video/mp4'])
    t.equal(kind(type), 'raw', type);
  t.equal(kind('text/event-stream; charset=utf-8'), 'events');
  t.equal(kind('text/event-stream', '/x', 200, 'br'), 'raw');
  t.equal(kind('application/json', '/backend-api/conversation/1'), 'raw');
  t.equal(kind('application/json', '/backend-anon/register-websocket'), 'raw');
  t.equal(kind('text/html', '/x', 206), 'raw');
  t.equal(kind('text/html', '/x', 200, 'zstd'), 'raw');
  t.equal(kind('text/html', '/x', 200, 'gzip, br'), 'raw');
  t.equal(kind('text/html; charset=utf-16'), 'raw');
  t.end();
});

t.test('cookies change their owner on the way out and back', (t) => {
  const secrets = ['chat2api_admin'];
  const out: readonly (readonly [string, typeof http, string | null])[] = [
    [
      'a=1; Domain=.chatgpt.com; Path=/; Secure; HttpOnly; SameSite=Lax',
      http,
      'a=1; Path=/; HttpOnly; SameSite=Lax',
    ],
    ['a=1; domain=chatgpt.com; secure; SameSite=None; Partitioned', http, 'a=1; SameSite=Lax'],
    ['a=1; Domain=.chatgpt.com; Secure; SameSite=None', https, 'a=1; Secure; SameSite=None'],
    ['__Secure-s=1; Secure', http, 'c2a-secure-s=1'],
    ['__Host-s=1; Secure; Path=/', http, 'c2a-host-s=1; Path=/'],
    ['__Host-s=1; Secure; Path=/', https, '__Host-s=1; Secure; Path=/'],
    [
      'a=b=c%3D; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
      http,
      'a=b=c%3D; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
    ],
    ['chat2api_admin=planted; Path=/', http, null],
  ];
  for (const [header, own, expected] of out) t.equal(toOwnCookie(header, own, secrets), expected);
  t.equal(toOwnCookie('a=1; Path=/relay/x', https, [], '/relay'), 'a=1; Path=/x');
  t.equal(toOwnCookie('a=1; path=/relay', https, [], '/relay'), 'a=1; Path=/');
  t.equal(toOwnCookie('a=1; Path=/relayed', https, [], '/relay'), 'a=1; Path=/relayed');
  t.equal(
    toUpstreamCookies('a=1; chat2api_admin=canary; c2a-secure-s=1;c2a-host-t=2', secrets),
    'a=1; __Secure-s=1; __Host-t=2',
  );
  t.equal(toUpstreamCookies('chat2api_admin=canary', secrets), '');
  t.end();
});

t.test('a content policy allows us what it allowed upstream', (t) => {
  const policy = (text: string, own = http) => toOwnPolicy(text, { own, hosts: HOSTS });
  t.equal(
    policy("default-src 'self' https://chatgpt.com; connect-src wss://chatgpt.com *.openai.com data:"),
    `default-src 'self' ${OWN}; connect-src ws://127.0.0.1:5005 *.openai.com ${OWN} data:`,
  );
  t.equal(
    policy("script-src 'nonce-abc=' cdn.oaistatic.com/a/; upgrade-insecure-requests"),
    `script-src 'nonce-abc=' ${OWN}/a/`,
  );
  t.equal(policy('upgrade-insecure-requests', https), 'upgrade-insecure-requests');
  t.equal(
    policy('img-src https://evil.test chatgpt.com.evil.test'),
    'img-src https://evil.test chatgpt.com.evil.test',
  );
  t.end();
});

function rewriteUtf8(text: string): string {
  return Buffer.from(rewriter.rewrite(Buffer.from(text).toString('latin1')), 'latin1').toString();
}
