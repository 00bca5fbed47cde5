import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import t from 'tap';
import type { Test } from 'tap';
import { createKeys } from '../../src/accounts/keys.ts';
import type { CompleteTurn, TurnSink } from '../../src/chat/ports.ts';
import type { TurnEvent } from '../../src/conversation/events.ts';
import type { Caller, Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import { createFindOwnOrigin } from '../../src/http/own-origin.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { createWaitingRoom } from '../../src/http/waiting-room.ts';
import { createAdmission } from '../../src/http/admission.ts';
import { imagesRoute } from '../../src/http/images-route.ts';
import { PublicLinks } from '../../src/http/public-links.ts';
import { dial, serve, until } from './serve.ts';

const KEY = 'sk-test';
const BYTES = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);

const image = (link: string | null): TurnEvent => ({ type: 'image', link });
const said = (text: string): TurnEvent => ({ type: 'text-delta', text });

interface Given {
  /** What the turn with this number does. */
  readonly act?: (sink: TurnSink, at: number, signal: AbortSignal) => Promise<void> | void;
  readonly publicUrl?: string;
  readonly prefix?: string;
  readonly maxInflight?: number;
  readonly read?: (link: string, signal: AbortSignal) => Promise<Uint8Array>;
}

async function world(t: Test, given: Given = {}) {
  const asked: { turn: Turn; caller: Caller; signal: AbortSignal }[] = [];
  const read: string[] = [];
  const complete: CompleteTurn = async (turn, caller, sink, { signal }) => {
    const at = asked.push({ turn, caller, signal }) - 1;
    await (given.act ?? ((to) => void to.write(image(`https://blob.example/${at}.png`))))(sink, at, signal);
  };
  const prefix = given.prefix ?? '';
  const route = imagesRoute({
    admit: createAdmission({
      keys: createKeys({ environment: [KEY], file: [], records: [] }),
      maxBodyBytes: 100_000,
      gates: { enter: () => () => {} },
      room: createWaitingRoom({ places: given.maxInflight ?? 10, maxWaiting: 0, timeoutMs: 1_000 }),
      pressure: () => null,
    }),
    complete,
    files: {
      read: (link, signal) => {
        read.push(link);
        return given.read?.(link, signal) ?? Promise.resolve(BYTES);
      },
    },
    address: {
      findOwn: createFindOwnOrigin({ publicUrl: given.publicUrl ?? null, trusted: new TrustedProxies([]) }),
      prefix,
    },
  });
  const served = await serve(t, { routes: [route], prefix });
  const base = `http://127.0.0.1:${served.port}${prefix}`;
  const post = async (body: unknown, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${base}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json()) as Record<string, unknown>,
    };
  };
  return { ...served, asked, read, base, post };
}

t.test('n images are n turns that are asked to draw, side by side', async (t) => {
  let atOnce = 0;
  const { post, asked, read, records } = await world(t, {
    act: async (sink, at) => {
      atOnce += 1;
      while (atOnce < 3) await sleep(1);
      sink.write({ type: 'turn-start', conversationId: null, messageId: null, modelSlug: null });
      sink.write(said('Here it is.'));
      sink.write(image(`https://blob.example/${at}.png`));
      t.ok(sink.satisfied, 'one image is enough');
      sink.write(image('https://blob.example/second.png'));
      t.notOk(sink.committed);
    },
  });
  const { status, body } = await post({
    prompt: 'a cat',
    n: 3,
    size: '1024x1536',
    model: 'dall-e-3',
    quality: 'hd',
  });
  t.equal(status, 200);
  t.ok(Math.abs(Number(body['created']) - Date.now() / 1000) < 60);
  t.strictSame(
    body['data'],
    [0, 1, 2].map((at) => ({ url: `https://blob.example/${at}.png` })),
  );
  t.strictSame(read, []);
  const { turn, caller } = asked[0] as (typeof asked)[0];
  t.match(turn, { hints: ['picture_v2'], model: { slug: 'gpt-4o' }, keepHistory: false });
  t.match(turn.messages, [
    { role: 'user', parts: [{ type: 'text', text: /1024 by 1536 pixels[^]*\n\na cat$/ }] },
  ]);
  t.match(caller, { kind: 'key', accountId: null });
  t.match(records, [
    { route: '/v1/images/generations', status: 200, notes: { model: 'gpt-4o', trace: Object } },
  ]);
});

t.test('links of our own become whole URLs', async (t) => {
  const act = (sink: TurnSink): void => void sink.write(image('/files/token'));
  const plain = await world(t, { act, prefix: '/secret' });
  t.match((await plain.post({ prompt: 'x' })).body, { data: [{ url: `${plain.base}/files/token` }] });
  const behind = await world(t, { act, prefix: '/secret', publicUrl: 'https://chat.example/p' });
  t.match((await behind.post({ prompt: 'x' })).body, {
    data: [{ url: 'https://chat.example/p/secret/files/token' }],
  });
  const client = await dial(t, plain.port);
  const body = JSON.stringify({ prompt: 'x' });
  client.socket.write(
    `POST /secret/v1/images/generations HTTP/1.1\r\nHost: a"b<c\r\nAuthorization: Bearer ${KEY}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  t.ok(
    await until(() => client.text().includes('"url":"/secret/files/token"')),
    'no host of ours in a strange Host',
  );
});

t.test('a sink gets public links for its images and files, and all else as it is', (t) => {
  const got: TurnEvent[] = [];
  const inner: TurnSink = {
    committed: true,
    satisfied: true,
    accepted: () => {},
    write: (event) => got.push(event) > 4,
    onDrain: (listener) => listener(),
  };
  const sink = new PublicLinks(inner, 'http://p');
  const other = said('/files/x');
  const foreign = image('https://a.example/files/x');
  t.equal(sink.write(other), false);
  for (const event of [foreign, image(null), image('/files/x')]) sink.write(event);
  t.equal(sink.write({ type: 'file', link: '/files/y', path: '/mnt/y' }), true);
  t.equal(got[0], other, 'the very same');
  t.strictSame(got.slice(1), [
    foreign,
    image(null),
    image('http://p/files/x'),
    { type: 'file', link: 'http://p/files/y', path: '/mnt/y' },
  ]);
  t.ok(sink.committed && sink.satisfied);
  sink.onDrain(() => t.end());
});

t.test('the bytes instead, or both where the API has no URLs', async (t) => {
  const { post, read } = await world(t);
  const b64_json = BYTES.toString('base64');
  t.strictSame((await post({ prompt: 'x', response_format: 'b64_json' })).body['data'], [{ b64_json }]);
  t.strictSame(read, ['https://blob.example/0.png'], 'as the spine has it');
  t.match((await post({ prompt: 'x', model: 'gpt-image-1' })).body['data'], [{ b64_json, url: String }]);
  t.strictSame((await post({ prompt: 'x', model: 'gpt-image-1', response_format: 'url' })).body['data'], [
    { url: 'https://blob.example/2.png' },
  ]);
});

t.test('no image is an error of its own, one of many is not', async (t) => {
  const none = await world(t, { act: (sink) => void sink.write(said('I would rather not. canary')) });
  const refused = await none.post({ prompt: 'x' });
  t.equal(refused.status, 400);
  t.match(refused.body, { error: { code: 'no_image_generated', type: 'invalid_request_error' } });
  t.equal(refused.headers.get('x-should-retry'), 'false');
  t.notMatch(
    JSON.stringify([refused.body, none.records]),
    'canary',
    'what the model said is not for the log',
  );
  const unlinked = await world(t, { act: (sink) => void sink.write(image(null)) });
  t.match((await unlinked.post({ prompt: 'x' })).body, {
    error: { code: 'no_image_generated', message: /no link/ },
  });
  const half = await world(t, {
    act: (sink, at) => void (at === 1 && sink.write(image('https://a.example/1'))),
  });
  t.strictSame((await half.post({ prompt: 'x', n: 2 })).body['data'], [{ url: 'https://a.example/1' }]);
});

t.test('failures are told as everywhere, and the first ends all turns', async (t) => {
  const { post, asked, server } = await world(t, {
    act: async (_, at, signal) => {
      if (at === 1) throw new ChatError('rate_limit_exceeded', 'enough', { retryAfterS: 7 });
      await new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('ended'))),
      );
    },
  });
  const limited = await post({ prompt: 'x', n: 3 });
  t.equal(limited.status, 429);
  t.equal(limited.headers.get('retry-after'), '7');
  t.ok(asked.every(({ signal }) => signal.aborted));
  t.equal(server.inflight, 0);
  const unread = await world(t, { read: () => Promise.reject(new ChatError('upstream_timeout', 'slow')) });
  t.equal((await unread.post({ prompt: 'x', response_format: 'b64_json' })).status, 504);
});

t.test('a client that leaves ends the turns, and the fetch of the bytes', async (t) => {
  const signals: AbortSignal[] = [];
  const hang = (signal: AbortSignal): Promise<never> => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('ended'))));
  };
  const drawing = await world(t, { act: (_sink, _at, signal) => hang(signal) });
  const fetching = await world(t, { read: (_, signal) => hang(signal) });
  for (const { port, server, internalErrors, records } of [drawing, fetching]) {
    const client = await dial(t, port);
    const body = JSON.stringify({ prompt: 'x', response_format: 'b64_json' });
    client.socket.write(
      `POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    const started = signals.length;
    t.ok(await until(() => signals.length > started));
    client.socket.destroy();
    t.ok(await until(() => signals.at(-1)?.aborted === true && server.inflight === 0));
    await sleep(10);
    t.strictSame(internalErrors, []);
    t.match(records, [{ outcome: 'client_gone' }]);
  }
});

t.test('what is wrong with a request is told by field', async (t) => {
  const { post, asked } = await world(t);
  const wrong: [unknown, string, string | null][] = [
    ['{', 'invalid_json', null],
    [[], 'invalid_value', null],
    [{}, 'missing_required_parameter', 'prompt'],
    [{ prompt: 7 }, 'invalid_value', 'prompt'],
    [{ prompt: ' ' }, 'invalid_value', 'prompt'],
    [{ prompt: 'x'.repeat(32_001) }, 'invalid_value', 'prompt'],
    [{ prompt: 'x', n: 0 }, 'invalid_value', 'n'],
    [{ prompt: 'x', n: 11 }, 'invalid_value', 'n'],
    [{ prompt: 'x', n: '2' }, 'invalid_value', 'n'],
    [{ prompt: 'x', size: 'huge' }, 'invalid_value', 'size'],
    [{ prompt: 'x', response_format: 'png' }, 'invalid_value', 'response_format'],
    [{ prompt: 'x', model: '' }, 'invalid_value', 'model'],
    [{ prompt: 'x', stream: true }, 'unsupported_parameter', 'stream'],
    ['x'.repeat(100_001), 'request_too_large', null],
  ];
  for (const [body, code, param] of wrong) t.match((await post(body)).body, { error: { code, param } }, code);
  t.equal(asked.length, 0);
  t.equal((await post({ prompt: 'x' }, { authorization: 'Bearer no' })).status, 401);
  t.equal(
    (await post({ prompt: 'x'.repeat(32_000), n: 10, size: 'auto', user: 'u', model: null })).status,
    200,
  );
  t.equal(asked.length, 10);
  const full = await world(t, { maxInflight: 1, act: () => sleep(300) });
  const first = full.post({ prompt: 'x' });
  await until(() => full.asked.length === 1);
  t.match((await full.post({ prompt: 'x' })).body, { error: { code: 'proxy_overloaded' } });
  await first;
});

t.test("OpenAI's own client", async (t) => {
  const { base } = await world(t);
  const client = new OpenAI({ apiKey: KEY, baseURL: `${base}/v1`, maxRetries: 0 });
  const drawn = await client.images.generate({ model: 'dall-e-3', prompt: 'a cat', n: 2, size: '1024x1024' });
  t.strictSame(drawn.data, [{ url: 'https://blob.example/0.png' }, { url: 'https://blob.example/1.png' }]);
  const bytes = await client.images.generate({ model: 'gpt-image-1', prompt: 'a cat' });
  t.equal(bytes.data?.[0]?.b64_json, BYTES.toString('base64'));
  const refused: unknown = await client.images.generate({ prompt: '' }).catch((error: unknown) => error);
  t.ok(refused instanceof OpenAI.BadRequestError);
  t.match(refused, { code: 'invalid_value', param: 'prompt', status: 400 });
});
