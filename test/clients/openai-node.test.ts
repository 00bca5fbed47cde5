import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai';
import type { ClientOptions } from 'openai';
import type {
  ChatCompletionChunk,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
} from 'openai/resources/chat/completions';
import { decode, encode } from 'gpt-tokenizer/encoding/o200k_base';
import t from 'tap';
import type { Scenario } from '../../src/sandbox/scenario.ts';
import { ACCESS_TOKEN, eventually, startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

/** Visitors are served by a smaller model than they ask for, and told so. */
const VISITORS_MODEL = 'gpt-4o-mini';

const TEXT =
  'Grüße! 你好，世界 👩‍🚀\n\n```ts\nconst a = "\\u0041";\n```\n\n| a | b |\n\tone, two, three — done.';
/** Far longer than any test waits, at `SLOW`'s pace. */
const LONG = Array.from({ length: 2_000 }, (_, index) => `word${index} `);
const SLOW = { answer: LONG, eventDelayMs: 20 };

type ErrorClass = abstract new (...values: never[]) => APIError;

const ASKED = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Hello!' }] };

function clientOf(world: World, options: ClientOptions = {}): OpenAI {
  return new OpenAI({ baseURL: `${world.url}/v1`, apiKey: 'anything', maxRetries: 0, ...options });
}

function ask(client: OpenAI, fields: Partial<ChatCompletionCreateParamsNonStreaming> = {}) {
  return client.chat.completions.create({ ...ASKED, ...fields, stream: false });
}

function askStream(client: OpenAI, fields: Partial<ChatCompletionCreateParamsStreaming> = {}) {
  return client.chat.completions.create({ ...ASKED, ...fields, stream: true });
}

async function collect(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly ChatCompletionChunk[], index = 0): string {
  const choices = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
  return choices.map((choice) => choice.delta.content ?? '').join('');
}

function reasonsOf(chunks: readonly ChatCompletionChunk[]): unknown[] {
  return chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason)).filter(Boolean);
}

/** What the promise rejects with; an answer instead is a failure of its own. */
async function failureOf(promise: Promise<unknown>): Promise<APIError> {
  const thrown: unknown = await promise.then(
    () => new Error('the call succeeded'),
    (error: unknown) => error,
  );
  if (thrown instanceof APIError) return thrown;
  throw thrown;
}

t.test('an open proxy', async (t) => {
  const world = await startWorld(t);
  const client = clientOf(world);
  t.beforeEach(() => world.reset());

  t.test('the text arrives whole, in one answer, in pieces, and through the stream helper', async (t) => {
    const tricky: Partial<Scenario>[] = [
      { encoding: 'legacy', chunking: 'byte' },
      { encoding: 'v1', chunking: 'mid-utf8', lineEnd: 'crlf', pings: true },
    ];
    for (const shape of tricky) {
      await world.scenario({ answer: TEXT, ...shape });
      const whole = await ask(client);
      t.equal(whole.choices[0]?.message.content, TEXT);
      t.match(whole, { object: 'chat.completion', model: VISITORS_MODEL });
      t.equal(whole.choices[0]?.finish_reason, 'stop');

      const chunks = await collect(await askStream(client));
      t.equal(textOf(chunks), TEXT);
      t.same(reasonsOf(chunks), ['stop']);
      t.ok(
        chunks.every(({ choices }) => choices.length === 1),
        'no usage that nobody asked for',
      );

      const helper = client.chat.completions.stream(ASKED);
      let heard = '';
      helper.on('content', (delta) => (heard += delta));
      const final = await helper.finalChatCompletion();
      t.equal(heard, TEXT);
      t.equal(final.choices[0]?.message.content, TEXT);
      t.equal(final.choices[0]?.message.role, 'assistant');
      t.equal(final.choices[0]?.finish_reason, 'stop');
    }
  });

  t.test('pieces arrive while upstream still speaks', async (t) => {
    await world.scenario(SLOW);
    const stream = await askStream(client);
    for await (const chunk of stream) if (textOf([chunk]) !== '') break;
    // Leaving the loop is the SDK's own way to cancel.
    const left = await eventually(async () => (await world.state()).openStreams === 0);
    t.ok(left, 'leaving the loop ends the upstream stream');
    t.match((await world.conversations())[0], { outcome: 'aborted' });
  });

  t.test('usage comes once, in a chunk of its own, and is that of the whole answer', async (t) => {
    await world.scenario({ answer: TEXT });
    const whole = await ask(client);
    const chunks = await collect(await askStream(client, { stream_options: { include_usage: true } }));
    const last = chunks.at(-1);
    t.same(last?.choices, []);
    t.same(last?.usage, whole.usage);
    for (const chunk of chunks.slice(0, -1)) {
      t.equal(chunk.usage, null);
      t.equal(chunk.choices.length, 1);
    }
    // Three tokens frame the message, three open the answer; "user" is one, "Hello!" two.
    const expected = { prompt_tokens: 9, completion_tokens: encode(TEXT).length };
    t.match(whole.usage, { ...expected, total_tokens: 9 + expected.completion_tokens });
  });

  t.test('several answers to one question are conversations of their own', async (t) => {
    const answers = ['first answer', 'second answer, longer', 'third'];
    const scenarios = answers.map((answer) => ({ answer, times: 1 }));
    await world.scenario(scenarios);
    const whole = await ask(client, { n: 3 });
    t.same(
      whole.choices.map(({ index }) => index),
      [0, 1, 2],
    );
    t.same(new Set(whole.choices.map(({ message }) => message.content)), new Set(answers));
    const spoken = answers.reduce((sum, answer) => sum + encode(answer).length, 0);
    t.match(whole.usage, { prompt_tokens: 9, completion_tokens: spoken });

    await world.scenario(scenarios);
    const chunks = await collect(await askStream(client, { n: 3, stream_options: { include_usage: true } }));
    t.same(new Set([0, 1, 2].map((index) => textOf(chunks, index))), new Set(answers));
    t.same(reasonsOf(chunks), ['stop', 'stop', 'stop']);
    t.same(chunks.at(-1)?.usage, whole.usage);
    t.equal((await world.conversations()).length, 6);

    await world.scenario({ answer: TEXT });
    const final = await client.chat.completions.stream({ ...ASKED, n: 3 }).finalChatCompletion();
    t.same(
      final.choices.map(({ message }) => message.content),
      [TEXT, TEXT, TEXT],
    );
  });

  t.test('a stop sequence ends the answer before it, and upstream with it', async (t) => {
    await world.scenario({ answer: ['one, two, ST', 'OP', ' three', ...LONG], eventDelayMs: 5 });
    const whole = await ask(client, { stop: 'STOP' });
    t.equal(whole.choices[0]?.message.content, 'one, two, ');
    t.equal(whole.choices[0]?.finish_reason, 'stop');
    const chunks = await collect(await askStream(client, { stop: ['never', 'STOP'] }));
    t.equal(textOf(chunks), 'one, two, ');
    t.same(reasonsOf(chunks), ['stop']);
    t.ok(await eventually(async () => (await world.state()).openStreams === 0));
    for (const { outcome } of await world.conversations()) t.equal(outcome, 'aborted');
  });

  t.test('max_tokens cuts after exactly so many tokens', async (t) => {
    await world.scenario({ answer: TEXT });
    const max = 11;
    const expected = decode(encode(TEXT).slice(0, max));
    t.notMatch(expected, '\ufffd', 'the cut falls between characters');
    for (const limit of [{ max_tokens: max }, { max_completion_tokens: max }]) {
      const whole = await ask(client, limit);
      t.equal(whole.choices[0]?.message.content, expected);
      t.equal(whole.choices[0]?.finish_reason, 'length');
      t.equal(whole.usage?.completion_tokens, max);
      const chunks = await collect(await askStream(client, limit));
      t.equal(textOf(chunks), expected);
      t.same(reasonsOf(chunks), ['length']);
    }
  });

  t.test('aborting a stream ends the upstream stream', async (t) => {
    await world.scenario(SLOW);
    const stream = await askStream(client);
    let chunks = 0;
    let abortedAt = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) {
        abortedAt = Date.now();
        stream.controller.abort();
      }
    }
    t.ok(await eventually(async () => (await world.state()).openStreams === 0));
    const [record] = await world.conversations();
    t.match(record, { outcome: 'aborted', aborted: true });
    const delayMs = (record?.endedAtMs ?? Infinity) - abortedAt;
    t.ok(delayMs < 1_500, `upstream was left after ${delayMs} ms`);
  });

  t.test('aborting a whole answer, before its headers, ends the upstream stream', async (t) => {
    await world.scenario(SLOW);
    const controller = new AbortController();
    const asked = client.chat.completions.create(ASKED, { signal: controller.signal });
    t.ok(await eventually(async () => (await world.state()).openStreams === 1));
    controller.abort();
    await t.rejects(asked, { name: 'Error', message: 'Request was aborted.' });
    t.ok(await eventually(async () => (await world.state()).openStreams === 0));
  });

  t.test("what is the request's own fault is a BadRequestError that names the field", async (t) => {
    const bad: [object, string, string][] = [
      [{ messages: undefined }, 'messages', 'missing_required_parameter'],
      [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
      [{ n: 0 }, 'n', 'invalid_value'],
      [{ max_tokens: 'ten' }, 'max_tokens', 'invalid_value'],
      [{ stream: 'yes' }, 'stream', 'invalid_value'],
      [{ logprobs: true }, 'logprobs', 'unsupported_parameter'],
    ];
    for (const [fields, param, code] of bad) {
      const error = await failureOf(client.chat.completions.create({ ...ASKED, ...fields }));
      t.ok(error instanceof BadRequestError, `${param}: ${error.name}`);
      t.match(error, { status: 400, param, code, type: 'invalid_request_error' });
      t.equal(error.requestID, error.headers?.get('x-request-id'));
    }
    t.same(await world.conversations(), [], 'upstream was not asked');
  });

  t.test("upstream's refusals are the SDK's own classes", async (t) => {
    const refusals: [Partial<Scenario>, ErrorClass, number, string][] = [
      [{ error: 'message_too_long' }, BadRequestError, 400, 'context_length_exceeded'],
      [{ forceLogin: true }, AuthenticationError, 401, 'anonymous_unavailable'],
      [{ error: 'unauthorized', at: 'requirements' }, AuthenticationError, 401, 'anonymous_unavailable'],
      [{ error: 'cloudflare' }, PermissionDeniedError, 403, 'upstream_challenge'],
      [{ error: 'unusual_activity' }, PermissionDeniedError, 403, 'upstream_refused'],
      [{ arkoseRequired: true }, PermissionDeniedError, 403, 'arkose_required'],
      [{ difficulty: '000001' }, PermissionDeniedError, 403, 'pow_difficulty_too_high'],
      [{ error: 'model_not_found' }, NotFoundError, 404, 'model_not_found'],
      [{ error: 'conversation_not_found' }, NotFoundError, 404, 'conversation_not_found'],
      [{ error: 'too_many_requests' }, RateLimitError, 429, 'rate_limit_exceeded'],
      [{ error: 'server_error' }, InternalServerError, 502, 'upstream_error'],
      [{ error: 'html_503' }, InternalServerError, 502, 'upstream_error'],
      [{ resetBeforeHeaders: true }, InternalServerError, 502, 'upstream_unreachable'],
      [{ cutAfterEvents: 1 }, InternalServerError, 502, 'upstream_protocol_error'],
    ];
    for (const [scenario, expected, status, code] of refusals) {
      await world.scenario(scenario);
      for (const asked of [ask, askStream]) {
        const error = await failureOf(asked(client));
        t.ok(error instanceof expected, `${code}: ${error.name}`);
        t.match(error, { status, code, requestID: /./, error: { message: /./, type: /./ } });
      }
    }
  });

  t.test('a limit tells when it ends', async (t) => {
    await world.scenario({ error: 'model_cap', clearsInS: 77 });
    const error = await failureOf(ask(client));
    t.ok(error instanceof RateLimitError);
    t.match(error, { code: 'rate_limit_exceeded', type: 'rate_limit_error', message: /77 s/ });
    t.equal(error.headers?.get('retry-after'), '77');
  });

  t.test('a failure in mid-stream is thrown by the loop, never a silent end', async (t) => {
    const failures: [Partial<Scenario>, string][] = [
      [{ errorEventAfter: 12 }, 'upstream_refused'],
      [{ cutAfterEvents: 12 }, 'upstream_protocol_error'],
      [{ endAfterEvents: 12 }, 'upstream_protocol_error'],
    ];
    for (const [scenario, code] of failures) {
      await world.scenario({ answer: LONG, eventDelayMs: 10, ...scenario });
      let heard = '';
      const reading = async (): Promise<void> => {
        for await (const chunk of await askStream(client)) heard += textOf([chunk]);
      };
      const error = await failureOf(reading());
      t.match(error, { code, type: /./, message: /./ });
      t.match(heard, /^word0 word1 /, 'what was said before is kept');
      t.ok(LONG.join('').startsWith(heard));

      const helped = await failureOf(client.chat.completions.stream(ASKED).finalChatCompletion());
      t.match(helped, { code }, 'the stream helper does not take it for an answer');
    }
  });

  t.test('every answer has its request id', async (t) => {
    const whole = await ask(client);
    t.match(whole._request_id, /./);
    const { request_id, response } = await askStream(client).withResponse();
    t.equal(request_id, response.headers.get('x-request-id'));
    t.match(request_id, /./);
    await response.body?.cancel();
    t.not(request_id, whole._request_id);

    const headers = { 'x-request-id': 'caller-chose-this' };
    const chosen = await client.chat.completions.create(ASKED, { headers });
    t.equal(chosen._request_id, 'caller-chose-this');
    await world.scenario({ error: 'too_many_requests' });
    const error = await failureOf(client.chat.completions.create(ASKED, { headers }));
    t.equal(error.requestID, 'caller-chose-this');
    t.ok(world.logLines.some((line) => line.includes('"requestId":"caller-chose-this"')));
  });

  t.test('models', async (t) => {
    const listed: OpenAI.Model[] = [];
    for await (const model of client.models.list()) listed.push(model);
    t.ok(listed.some(({ id }) => id === 'gpt-4o'));
    for (const model of listed) {
      t.match(model, { id: /./, object: 'model', created: Number, owned_by: /./ });
      t.match(await client.models.retrieve(model.id), model);
    }
    const error = await failureOf(client.models.retrieve('no-such-model'));
    t.ok(error instanceof NotFoundError);
    t.match(error, { code: 'model_not_found', requestID: /./ });
    const elsewhere = await failureOf(client.embeddings.create({ model: 'any', input: 'x' }));
    t.ok(elsewhere instanceof NotFoundError);
    t.match(elsewhere.message, '/v1/embeddings');
  });

  t.test("an access token as the key reaches the account's own API", async (t) => {
    await world.scenario({ answer: TEXT });
    const whole = await ask(clientOf(world, { apiKey: ACCESS_TOKEN }));
    t.equal(whole.choices[0]?.message.content, TEXT);
    await ask(client);
    const [own, anonymous] = await world.conversations();
    t.equal(own?.path, '/backend-api/conversation');
    t.equal(own?.headers.authorization, `Bearer ${ACCESS_TOKEN}`);
    t.equal(anonymous?.path, '/backend-anon/conversation');
    t.equal(anonymous?.headers.authorization, undefined, 'a made-up key stays here');

    const expired = await failureOf(ask(clientOf(world, { apiKey: 'eyJhbGciOi.expired.x' })));
    t.ok(expired instanceof AuthenticationError);
    t.match(expired, { code: 'account_unauthorized', message: /expired/ });
    t.notMatch(world.logLines.join(''), 'eyJhbGciOi', 'no token in the log');
  });

  t.test('what cannot get better is not retried by the SDK', async (t) => {
    const patient = clientOf(world, { maxRetries: 2 });
    await world.scenario({ error: 'message_too_long' });
    const hopeless = await failureOf(ask(patient));
    t.equal(hopeless.headers?.get('x-should-retry'), 'false');
    t.equal((await world.conversations()).length, 1);

    await world.scenario([{ error: 'server_error', times: 1 }, { answer: TEXT }]);
    const healed = await ask(patient);
    t.equal(healed.choices[0]?.message.content, TEXT, 'what can get better is');
    t.equal((await world.conversations()).length, 3);
  });
});

t.test('a proxy with keys', async (t) => {
  const world = await startWorld(t, { env: { AUTHORIZATION: 'sk-first, sk-second' } });

  for (const apiKey of ['sk-first', 'sk-second', ACCESS_TOKEN]) {
    const client = clientOf(world, { apiKey });
    await ask(client);
    t.equal(textOf(await collect(await askStream(client))).length > 0, true);
    await client.models.list();
  }
  await world.reset();
  const stranger = clientOf(world, { apiKey: 'sk-stranger', maxRetries: 2 });
  for (const asked of [ask, askStream, () => stranger.models.list()]) {
    const error = await failureOf(asked(stranger));
    t.ok(error instanceof AuthenticationError);
    t.match(error, { status: 401, code: 'invalid_api_key', requestID: /./ });
  }
  t.same(await world.requests(), [], 'upstream never heard of it');
  t.notMatch(world.logLines.join(''), 'sk-', 'no key in the log');
});

t.test('a proxy at its limits', async (t) => {
  const env = { MAX_INFLIGHT: '1', MAX_QUEUE: '0', FIRST_TOKEN_TIMEOUT_MS: '300' };
  const world = await startWorld(t, { env });
  const client = clientOf(world);

  await world.scenario({ headersDelayMs: 20_000 });
  for (const asked of [ask, askStream]) {
    const late = await failureOf(asked(client));
    t.ok(late instanceof InternalServerError);
    t.match(late, { status: 504, code: 'upstream_timeout', message: /FIRST_TOKEN_TIMEOUT_MS/ });
  }

  await world.scenario(SLOW);
  const held = await askStream(client);
  const full = await failureOf(ask(client));
  t.ok(full instanceof InternalServerError);
  t.match(full, { status: 503, code: 'proxy_overloaded' });
  t.match(full.headers?.get('retry-after'), /^\d+$/);
  held.controller.abort();
  await world.scenario({ answer: TEXT });
  const patient = clientOf(world, { maxRetries: 2 });
  t.equal((await ask(patient)).choices[0]?.message.content, TEXT, 'the place is free again');
});
