import fc from 'fast-check';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import {
  ask,
  askChat,
  chatBody,
  chatBytes,
  dataOf,
  errorOf,
  IDLE,
  settled,
  startProgram,
} from '../helpers/program.ts';
import type { Answer, Program } from '../helpers/program.ts';
import { startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { dial, until } from '../http/serve.ts';

const MIB = 1024 * 1024;
const LIMIT = 32 * MIB;

let upstream: Upstream;
let program: Program;

t.before(async () => {
  upstream = await startUpstream(t);
  program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '0' });
});

/** A chat padded to `bytes` with a field that nobody knows. */
function bodyOf(bytes: number): string {
  const frame = chatBody({ fields: { padding: '' } });
  return frame.replace('"padding":""', `"padding":"${'x'.repeat(bytes - frame.length)}"`);
}

function isRefused(t: Test, answer: Answer, status: number, code: string): void {
  t.match([answer.status, errorOf(answer)?.code], [status, code]);
  t.match(answer.headers, { 'content-type': 'application/json', 'x-should-retry': 'false' });
}

t.test('a body of exactly the limit is taken, one byte more is not', async (t) => {
  const full = bodyOf(LIMIT);
  t.equal(Buffer.byteLength(full), LIMIT);
  t.equal((await ask(program.port, { body: full })).status, 200);
  isRefused(t, await ask(program.port, { body: bodyOf(LIMIT + 1) }), 413, 'request_too_large');
  t.same(await settled(program), IDLE);
});

t.test('a body in chunks is measured as it comes', async (t) => {
  const client = await dial(t, program.port);
  client.socket.write(
    'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const part = Buffer.alloc(MIB, 'x');
  for (let sent = 0; sent <= LIMIT && client.bytes() === 0; sent += MIB) {
    client.socket.write(`${MIB.toString(16)}\r\n`);
    client.socket.write(part);
    client.socket.write('\r\n');
    if (client.socket.writableNeedDrain) await new Promise((resolve) => client.socket.once('drain', resolve));
  }
  t.ok(await until(() => client.text().includes('request_too_large'), 10_000));
  t.match(client.text(), /^HTTP\/1\.1 413 /);
  t.same(await settled(program), IDLE);
});

const WRONG_BODIES: readonly [string, string | Buffer, string][] = [
  ['nothing', '', 'invalid_json'],
  ['words', 'hello', 'invalid_json'],
  ['half a body', '{"model":"gpt-4o","messages":[', 'invalid_json'],
  ['invalid UTF-8', Buffer.from('{"model":"\xff\xfe"}', 'latin1'), 'invalid_json'],
  [
    'a cut UTF-8 sequence',
    Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xe2, 0x82])]),
    'invalid_json',
  ],
  ['UTF-16', Buffer.from(chatBody(), 'utf16le'), 'invalid_json'],
  ['100,000 levels of lists', '['.repeat(100_000), 'invalid_json'],
  ['100,000 levels, closed', '['.repeat(100_000) + ']'.repeat(100_000), 'invalid_value'],
  ['deep messages', chatBody().replace('"Hi"', '['.repeat(100_000) + ']'.repeat(100_000)), 'invalid_value'],
  ['a list', '[]', 'invalid_value'],
  ['null', 'null', 'invalid_value'],
  ['no messages', '{"model":"gpt-4o"}', 'missing_required_parameter'],
  ['messages of another type', '{"model":"gpt-4o","messages":"Hi"}', 'invalid_value'],
  ['a role of another type', '{"model":"gpt-4o","messages":[{"role":7,"content":"Hi"}]}', 'invalid_value'],
  ['stream of another type', chatBody({ fields: { stream: 'yes' } }), 'invalid_value'],
  ['n out of range', chatBody({ fields: { n: 1e9 } }), 'invalid_value'],
];

for (const [name, body, code] of WRONG_BODIES) {
  t.test(`a body: ${name}`, async (t) => {
    const before = upstream.asked.length;
    const answer = await ask(program.port, { body });
    isRefused(t, answer, 400, code);
    t.equal(upstream.asked.length, before, 'the backend is not asked');
  });
}

t.test('a body that names a prototype does not get one', async (t) => {
  const body = chatBody().replace('{', '{"__proto__":{"n":2},"constructor":{"n":2},');
  const answer = await ask(program.port, { body });
  t.equal(answer.status, 200);
  t.equal((JSON.parse(answer.text) as { choices: unknown[] }).choices.length, 1);
});

t.test('40 headers', async (t) => {
  const headers = Object.fromEntries(Array.from({ length: 34 }, (_, at) => [`x-extra-${at}`, 'value']));
  t.equal((await askChat(program.port, { headers })).status, 200);
});

t.test('1,000 silent connections hold nothing up', async (t) => {
  const alone = await timed(() => askChat(program.port, { stream: true }));
  const silent: Socket[] = [];
  t.teardown(() => silent.forEach((socket) => socket.destroy()));
  for (let at = 0; at < 1_000; at += 1) {
    silent.push(connect(program.port, '127.0.0.1').on('error', () => undefined));
    if (at % 50 === 0) await sleep(5);
  }
  await until(() => silent.every((socket) => !socket.connecting), 10_000);
  for (const socket of silent.slice(0, 300)) socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost:');
  const { answer, tookMs } = await timed(() => askChat(program.port, { stream: true }));
  t.comment(`a chat takes ${tookMs.toFixed(0)} ms, ${alone.tookMs.toFixed(0)} ms without them`);
  t.equal(dataOf(answer.text).at(-1), '[DONE]');
  t.ok(tookMs < 2_000);
});

async function timed(run: () => Promise<Answer>): Promise<{ answer: Answer; tookMs: number }> {
  const startedAt = performance.now();
  const answer = await run();
  return { answer, tookMs: performance.now() - startedAt };
}

async function isAlive(): Promise<boolean> {
  return (await ask(program.port, { method: 'GET', path: '/healthz' })).status === 200;
}

/** Values that look like chats in some places and like nothing in others. */
const chatLike = fc.record(
  {
    model: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('gpt-4o'), fc.jsonValue()),
    messages: fc.oneof(
      fc.jsonValue(),
      fc.array(
        fc.record(
          {
            role: fc.oneof(fc.constantFrom('system', 'user', 'assistant', 'tool'), fc.jsonValue()),
            content: fc.oneof(
              fc.string({ unit: 'binary' }),
              fc.jsonValue(),
              fc.array(
                fc.record({ type: fc.constantFrom('text', 'image_url', 'file'), text: fc.jsonValue() }),
              ),
            ),
            name: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 4 },
      ),
    ),
    stream: fc.oneof(fc.boolean(), fc.jsonValue()),
    stop: fc.jsonValue(),
    n: fc.oneof(fc.integer({ min: -1, max: 3 }), fc.jsonValue()),
    max_tokens: fc.oneof(fc.integer({ min: -5, max: 40 }), fc.jsonValue()),
    stream_options: fc.jsonValue(),
    metadata: fc.jsonValue(),
    conversation_id: fc.jsonValue(),
    history_disabled: fc.jsonValue(),
    'Chatgpt-Account-Id': fc.jsonValue(),
  },
  { requiredKeys: [] },
);

t.test('fuzzed bodies get an answer, and never one that we did not foresee', async (t) => {
  const body = fc.oneof(
    { weight: 3, arbitrary: chatLike.map((value) => JSON.stringify(value)) },
    fc.uint8Array({ maxLength: 300 }),
    fc.json(),
  );
  await fc.assert(
    fc.asyncProperty(body, async (bytes) => {
      const answer = await ask(program.port, { body: bytes });
      if (answer.isCut || ![200, 400, 404].includes(answer.status))
        throw new Error(`${answer.status} ${answer.text}`);
    }),
    { numRuns: 120 },
  );
  t.ok(await isAlive());
  t.same(await settled(program), IDLE);
  t.notMatch(program.lines.join(''), 'internal_error');
});

t.test('fuzzed methods, paths and headers do not end the process', async (t) => {
  const token = fc.string({
    unit: fc.constantFrom(...'abcXYZ019-_.~!'.split('')),
    minLength: 1,
    maxLength: 20,
  });
  const value = fc.string({ unit: fc.constantFrom(...'aZ9 ,;:="%/\\\t\u00ff'.split('')), maxLength: 60 });
  const path = fc.oneof(
    fc.webPath(),
    fc
      .string({ unit: fc.constantFrom(...'/v1%2e.?&=#é\\chatmodels'.split('')), maxLength: 40 })
      .map((text) => `/${text}`),
    fc.constantFrom('/v1/models/%', '/v1/models/%ff', '/v1/models/..%2f', '/v1/chat/completions?x=%'),
  );
  const names = fc.oneof(
    token,
    fc.constantFrom(
      'authorization',
      'x-request-id',
      'chatgpt-account-id',
      'origin',
      'expect',
      'content-type',
    ),
  );
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'BREW', 'get');
  const headers = fc.array(fc.tuple(names, value), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(method, path, headers, async (verb, target, list) => {
      const lines = list.map(([name, text]) => `${name}: ${text}\r\n`).join('');
      await throwAt(
        program.port,
        `${verb} ${target} HTTP/1.1\r\nhost: x\r\n${lines}content-length: 2\r\n\r\n{}`,
      );
    }),
    { numRuns: 120 },
  );
  t.ok(await isAlive());
  t.same(await settled(program), IDLE);
});

t.test('bytes that are hardly HTTP do not end the process', async (t) => {
  const whole = chatBytes();
  const damaged = fc
    .tuple(fc.nat(whole.length), fc.nat(40), fc.uint8Array({ maxLength: 20 }))
    .map(([at, gone, put]) =>
      Buffer.concat([Buffer.from(whole.slice(0, at)), put, Buffer.from(whole.slice(at + gone))]),
    );
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), async (bytes) => {
      await throwAt(program.port, bytes);
    }),
    { numRuns: 80 },
  );
  t.ok(await isAlive());
  t.same(await settled(program), IDLE);
});

/** Sends the bytes and hangs up as soon as anything comes back, or after a moment. */
function throwAt(port: number, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(30, () => socket.destroy());
    socket.once('data', () => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('close', () => resolve());
  });
}
