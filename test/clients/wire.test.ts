import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { connectRaw } from '../helpers/raw-connection.ts';
import type { RawAnswer } from '../helpers/raw-connection.ts';
import { eventually, startWorld } from '../helpers/world.ts';

/** Visitors are served by a smaller model than they ask for, and told so. */
const VISITORS_MODEL = 'gpt-4o-mini';

const TEXT = 'Grüße! 你好 👩‍🚀\nand "quoted" \\ text';
const ASKED = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello!' }] };

const CHUNK = {
  id: /^chatcmpl-\w+$/,
  object: 'chat.completion.chunk',
  created: Number,
  model: VISITORS_MODEL,
};

function post(body: unknown, ...headers: string[]): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return [
    'POST /v1/chat/completions HTTP/1.1',
    'host: proxy.test',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    ...headers,
    '',
    text,
  ].join('\r\n');
}

/** Every byte of a stream: comment frames, then data frames, each with its blank line. */
function framesOf(body: string): readonly string[] {
  const frames = body.split('\n\n');
  if (frames.pop() !== '') throw new Error(`the last frame has no blank line: ${body.slice(-80)}`);
  return frames;
}

function dataOf(body: string): readonly string[] {
  const frames = framesOf(body).filter((frame) => !frame.startsWith(':'));
  return frames.map((frame) => /^data: (.+)$/.exec(frame)?.[1] ?? `not a data frame: ${frame}`);
}

function hasCors(t: Test, { headers }: RawAnswer): void {
  t.equal(headers.get('access-control-allow-origin'), '*');
  t.equal(headers.get('access-control-allow-credentials'), undefined, 'never together with *');
  for (const name of ['x-request-id', 'retry-after', 'x-should-retry']) {
    t.ok(headers.get('access-control-expose-headers')?.split(', ').includes(name), name);
  }
  t.match(headers.get('x-request-id'), /^\S+$/);
}

t.test('to the letter', async (t) => {
  const world = await startWorld(t, { scenario: { answer: TEXT } });
  t.beforeEach(() => world.reset());

  t.test('a stream', async (t) => {
    const connection = await connectRaw(t, world.port);
    connection.send(post({ ...ASKED, stream: true }));
    const answer = await connection.answer();
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    t.equal(answer.headers.get('cache-control'), 'no-cache, no-transform');
    t.equal(answer.headers.get('x-accel-buffering'), 'no');
    t.equal(answer.headers.get('content-encoding'), undefined);
    t.equal(answer.headers.get('content-length'), undefined);
    hasCors(t, answer);

    t.match(framesOf(answer.body)[0], /^: ?\w*$/, 'a comment comes first');
    t.notMatch(answer.body, '\r');
    const data = dataOf(answer.body);
    t.equal(data.at(-1), '[DONE]');
    t.equal(data.filter((text) => text === '[DONE]').length, 1);
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text) as Record<string, unknown>);
    for (const chunk of chunks) {
      t.match(chunk, { ...CHUNK, id: chunks[0]?.['id'], created: chunks[0]?.['created'] });
      t.notOk('usage' in chunk, 'nobody asked');
      t.notOk('error' in chunk);
    }
    const choices = chunks.map((chunk) => (chunk['choices'] as [Record<string, unknown>])[0]);
    const first = { role: 'assistant', content: '', refusal: null };
    t.same(choices[0], { index: 0, delta: first, logprobs: null, finish_reason: null });
    t.same(choices.at(-1), { index: 0, delta: {}, logprobs: null, finish_reason: 'stop' });
    const middle = choices.slice(1, -1);
    let text = '';
    for (const choice of middle) {
      const { content } = choice['delta'] as { content: string };
      t.same(choice, { index: 0, delta: { content }, logprobs: null, finish_reason: null });
      text += content;
    }
    t.equal(text, TEXT);
    t.ok(middle.length > 1, 'in pieces');
  });

  t.test('a stream with usage', async (t) => {
    const connection = await connectRaw(t, world.port);
    connection.send(post({ ...ASKED, stream: true, stream_options: { include_usage: true } }));
    const data = dataOf((await connection.answer()).body);
    t.equal(data.at(-1), '[DONE]');
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text) as Record<string, unknown>);
    const last = chunks.pop();
    t.match(last, { ...CHUNK, choices: [], usage: { prompt_tokens: 9 } });
    t.same(last?.['choices'], []);
    for (const chunk of chunks) t.equal(chunk['usage'], null);
    t.match(chunks.at(-1), { choices: [{ finish_reason: 'stop' }] });
  });

  t.test('a broken stream ends with an error frame, and never with [DONE]', async (t) => {
    await world.scenario({ answer: Array.from({ length: 40 }, () => 'more '), cutAfterEvents: 20 });
    const connection = await connectRaw(t, world.port);
    connection.send(post({ ...ASKED, stream: true }));
    const answer = await connection.answer();
    const data = dataOf(answer.body);
    t.notMatch(answer.body, '[DONE]');
    const { error } = JSON.parse(data.at(-1) ?? '') as { error: object };
    t.match(error, { message: /./, type: 'server_error', param: null, code: 'upstream_protocol_error' });
    t.same(Object.keys(error).toSorted(), ['code', 'message', 'param', 'type']);
    t.equal(data.filter((text) => text.includes('"error"')).length, 1);
    t.notMatch(data.join(''), '"finish_reason":"', 'no choice looks finished');
  });

  t.test('a whole answer', async (t) => {
    const connection = await connectRaw(t, world.port);
    connection.send(post(ASKED));
    const answer = await connection.answer();
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-type'), 'application/json');
    hasCors(t, answer);
    const body = JSON.parse(answer.body) as { id: string; created: number; usage: object };
    t.match(body.id, CHUNK.id);
    t.ok(Math.abs(body.created - Date.now() / 1000) < 60, 'in seconds');
    t.match(body.usage, { prompt_tokens: 9, completion_tokens: Number, total_tokens: Number });
    t.same(body, {
      id: body.id,
      object: 'chat.completion',
      created: body.created,
      model: CHUNK.model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: TEXT, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: body.usage,
      system_fingerprint: null,
    });
  });

  t.test('an error', async (t) => {
    await world.scenario({ error: 'model_cap', clearsInS: 77 });
    const connection = await connectRaw(t, world.port);
    for (const stream of [false, true]) {
      connection.send(post({ ...ASKED, stream }, 'x-request-id: abc-123'));
      const answer = await connection.answer();
      t.equal(answer.status, 429);
      t.equal(answer.headers.get('content-type'), 'application/json');
      t.equal(answer.headers.get('x-request-id'), 'abc-123');
      t.equal(answer.headers.get('retry-after'), '77');
      hasCors(t, answer);
      const { error } = JSON.parse(answer.body) as { error: object };
      t.same(Object.keys(error).toSorted(), ['code', 'message', 'param', 'type']);
    }
    connection.send(post('{"model":'));
    const broken = await connection.answer();
    t.equal(broken.status, 400);
    t.equal(broken.headers.get('x-should-retry'), 'false');
    hasCors(t, broken);
    connection.send('GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n');
    const wrongMethod = await connection.answer();
    t.equal(wrongMethod.status, 405);
    t.match(wrongMethod.headers.get('allow'), /POST/);
    hasCors(t, wrongMethod);
  });

  t.test('a preflight', async (t) => {
    const connection = await connectRaw(t, world.port);
    const wanted = 'authorization,content-type,x-stainless-retry-count';
    connection.send(
      `OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: https://chat.test\r\naccess-control-request-method: POST\r\naccess-control-request-headers: ${wanted}\r\n\r\n`,
    );
    const answer = await connection.answer();
    t.equal(answer.status, 204);
    t.equal(answer.body, '');
    t.equal(answer.headers.get('access-control-allow-headers'), wanted);
    t.match(answer.headers.get('access-control-allow-methods'), /\bGET\b.*\bPOST\b.*\bOPTIONS\b/);
    t.match(answer.headers.get('access-control-max-age'), /^\d+$/);
    hasCors(t, answer);
    t.same(await world.requests(), [], 'upstream was not asked');
  });

  t.test('a request in many pieces, cut inside its characters', async (t) => {
    const content = `${TEXT} 🎉`.repeat(3);
    const bytes = Buffer.from(post({ ...ASKED, messages: [{ role: 'user', content }] }));
    const connection = await connectRaw(t, world.port);
    for (let at = 0; at < bytes.length; at += 3) {
      connection.socket.write(bytes.subarray(at, at + 3));
      await sleep(1);
    }
    t.equal((await connection.answer()).status, 200);
    t.match(await world.conversations(), [{ body: { messages: [{ content: { parts: [content] } }] } }]);
  });

  t.test('a chunked request', async (t) => {
    const body = Buffer.from(JSON.stringify({ ...ASKED, messages: [{ role: 'user', content: TEXT }] }));
    const connection = await connectRaw(t, world.port);
    connection.send('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let at = 0; at < body.length; at += 25) {
      const piece = body.subarray(at, at + 25);
      connection.send(`${piece.length.toString(16)}\r\n`);
      connection.socket.write(piece);
      connection.send('\r\n');
      await sleep(1);
    }
    connection.send('0\r\n\r\n');
    t.equal((await connection.answer()).status, 200);
  });

  t.test('a client that waits for 100 Continue', async (t) => {
    const [head, body] = post(ASKED, 'expect: 100-continue').split('\r\n\r\n') as [string, string];
    const connection = await connectRaw(t, world.port);
    connection.send(`${head}\r\n\r\n`);
    const interim = await connection.answer();
    t.equal(interim.status, 100);
    connection.send(body);
    t.equal((await connection.answer()).status, 200);
  });

  t.test('one connection serves many requests, of every kind', async (t) => {
    const connection = await connectRaw(t, world.port);
    const asked: [string, number][] = [
      [post({ ...ASKED, stream: true }), 200],
      [post(ASKED), 200],
      [post({ ...ASKED, n: 0 }), 400],
      ['GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n', 200],
      [post({ ...ASKED, stream: true }), 200],
      ['GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n', 404],
      [post(ASKED), 200],
    ];
    const ids = new Set<string | undefined>();
    for (const [request, status] of asked) {
      connection.send(request);
      const answer = await connection.answer();
      t.equal(answer.status, status);
      t.not(answer.headers.get('connection'), 'close');
      t.equal(connection.rest(), '', 'nothing comes behind the answer');
      ids.add(answer.headers.get('x-request-id'));
    }
    t.equal(ids.size, asked.length);
    t.equal(connection.socket.closed, false);
  });

  t.test('a client that hangs up in mid-stream takes the upstream stream with it', async (t) => {
    await world.scenario({ answer: Array.from({ length: 2_000 }, () => 'more '), eventDelayMs: 20 });
    const connection = await connectRaw(t, world.port);
    connection.send(post({ ...ASKED, stream: true }));
    t.ok(await eventually(async () => connection.rest().includes('more ')), 'pieces come as they are said');
    t.equal((await world.state()).openStreams, 1);
    connection.socket.destroy();
    t.ok(await eventually(async () => (await world.state()).openStreams === 0));
    t.match((await world.conversations())[0], { outcome: 'aborted' });
  });
});
