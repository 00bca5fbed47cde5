import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import { listen, until } from '../helpers/loopback.ts';
import { IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Program } from '../helpers/program.ts';
import { shoot, statusesOf } from './attack.ts';
import { ANSWERS, PLANTED } from './attacks/answers.ts';

/** What upstream received over one connection, to the byte; `answer` gets each head. */
interface RawUpstream {
  readonly origin: string;
  /** What came over each connection. */
  readonly received: string[];
}

/** Keeps its connections open, so that surplus bytes would meet whoever comes next. */
async function startRawUpstream(answer: (head: string, socket: Socket) => void): Promise<RawUpstream> {
  const received: string[] = [];
  const server = createServer((socket) => {
    const at = received.push('') - 1;
    let rest = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      received[at] += part;
      rest += part;
      for (let end = rest.indexOf('\r\n\r\n'); end !== -1; end = rest.indexOf('\r\n\r\n')) {
        const head = rest.slice(0, end);
        rest = rest.slice(end + 4);
        if (/[A-Z]+ \/(?:bad|good)\//.test(head)) answer(head, socket);
      }
    });
  });
  return { origin: `http://127.0.0.1:${await listen(t, server)}`, received };
}

let program: Program;
let upstream: RawUpstream;

t.before(async () => {
  upstream = await startRawUpstream((head, socket) => {
    const [, kind, at] = / \/(bad|good)\/(\d+)/.exec(head) ?? [];
    const own = `HTTP/1.1 200 OK\r\nContent-Length: ${6 + String(at).length}\r\n\r\ngood ${at}.`;
    const bytes = kind === 'bad' ? (ANSWERS[Number(at)]?.bytes ?? '') : own;
    socket.write(bytes, 'latin1');
    if (/Connection: close|^body$/.test(bytes)) socket.end();
  });
  program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    IDLE_TIMEOUT_MS: '4000',
    RETRY_TIMES: '0',
  });
});

/** `200 whole body`, `502 whole`, `200 cut`. */
function outcomeOf(received: string): string {
  const [head = '', body = ''] = received.split('\r\n\r\n');
  const isChunked = /^transfer-encoding: chunked/im.test(head);
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  const isWhole = isChunked ? received.endsWith('0\r\n\r\n') : Number(length ?? 0) === body.length;
  const shown = /\bbody\b/.test(body) ? ' body' : '';
  return `${statusesOf(received).join(' ') || 'silence'} ${isWhole ? 'whole' : 'cut'}${shown}`;
}

t.test('an answer that upstream framed badly costs nobody but its own request', async (t) => {
  await Promise.all(
    ANSWERS.map(async ({ name, outcome }, at) => {
      const bad = shoot(program.port, `GET /bad/${at} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await until(() => outcomeOf(bad.received()) === outcome, 10_000);
      const good = shoot(program.port, `GET /good/${at} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await until(() => good.received().includes(`good ${at}.`), 10_000);
      t.equal(outcomeOf(bad.received()), outcome, name);
      t.notMatch(bad.received(), PLANTED, `${name}: nothing is planted`);
      t.match(good.received(), `good ${at}.`, `${name}: the next request has its own answer`);
      t.equal(statusesOf(good.received()).length, 1, `${name}: and no other`);
      for (const shot of [bad, good]) shot.end();
    }),
  );
  t.same(await settled(program), IDLE);
});

const BODY = '{"a":1}';

/** Requests that go on, and what the wire must then show once. */
const REQUESTS: readonly (readonly [name: string, head: readonly string[], body: string, framing: RegExp])[] =
  [
    ['a length', [`Content-Length: ${BODY.length}`], BODY, /^content-length: 7$/im],
    ['a length with zeros', [`Content-Length: 000${BODY.length}`], BODY, /^content-length: 0*7$/im],
    ['chunks', ['Transfer-Encoding: chunked'], `7\r\n${BODY}\r\n0\r\n\r\n`, /^transfer-encoding: chunked$/im],
    [
      'small chunks',
      ['Transfer-Encoding: CHUNKED'],
      `3\r\n{"a\r\n00004\r\n":1}\r\n0\r\n\r\n`,
      /^transfer-encoding: chunked$/im,
    ],
    [
      'hop-by-hop headers',
      [
        'Connection: close, X-Mine',
        'X-Mine: secret-hop',
        'Keep-Alive: 1',
        'TE: trailers',
        'Trailer: X-A',
        `Content-Length: ${BODY.length}`,
      ],
      BODY,
      /^content-length: 7$/im,
    ],
    [
      'framing named by `Connection`',
      ['Connection: Content-Length', `Content-Length: ${BODY.length}`],
      BODY,
      /^content-length: 7$/im,
    ],
  ];

t.test('what reaches upstream is framed anew, once', async (t) => {
  for (const [at, [name, lines, body, framing]] of REQUESTS.entries()) {
    const from = upstream.received.join('').length;
    const head = [`POST /good/${at} HTTP/1.1`, 'Host: x', ...lines].join('\r\n');
    const shot = shoot(program.port, `${head}\r\n\r\n${body}`);
    await until(() => shot.received().includes(`good ${at}.`), 5_000);
    t.match(shot.received(), /^HTTP\/1\.1 200 /, name);
    const wire = upstream.received.find((text) => text.includes(`POST /good/${at} `)) ?? '';
    const sent = wire.slice(wire.indexOf(`POST /good/${at} `));
    t.match(sent, framing, name);
    t.equal(sent.match(/^(?:content-length|transfer-encoding):/gim)?.length, 1, `${name}: one framing`);
    t.notMatch(sent, /^(?:te|trailer|keep-alive|x-mine):/im, `${name}: nothing hop by hop`);
    t.ok(upstream.received.join('').length > from);
    shot.end();
  }
});

t.test('odd methods and headers do not get through, or not as more than one request', async (t) => {
  const heads = [
    'G@T /good/1 HTTP/1.1\r\nHost: x',
    'TRACE /good/1 HTTP/1.1\r\nHost: x',
    'CONNECT /good/1 HTTP/1.1\r\nHost: x',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nX-A: \xe5\x98\x8d\xe5\x98\x8aX-B: c',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nX@A: b',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nCookie: a=b\x7f; c=\x80',
    'GET /good/1\xc4\x8d\xc4\x8aX-B: HTTP/1.1\r\nHost: x',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue',
    'GET /good/1 HTTP/1.1\r\nHost: x\r\nExpect: something',
  ];
  const before = (upstream.received.join('').match(/^[A-Z]+ \/good/gm) ?? []).length;
  for (const head of heads) {
    const shot = shoot(program.port, `${head}\r\n\r\n`);
    await until(() => shot.received() !== '' || shot.isClosed(), 2_000);
    t.ok(statusesOf(shot.received()).filter((status) => status !== '100').length <= 1, head);
    t.notMatch(shot.received(), 'internal_error', head);
    shot.end();
  }
  const after = (upstream.received.join('').match(/^[A-Z]+ \/good/gm) ?? []).length;
  t.ok(after - before <= heads.length, `${after - before} requests upstream`);
  t.notMatch(upstream.received.join(''), /^(?:X-B|upgrade|http2-settings|expect):/im);
  t.same(await settled(program), IDLE);
});
