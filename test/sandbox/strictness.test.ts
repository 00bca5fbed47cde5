import { randomUUID } from 'node:crypto';
import t from 'tap';
import { checkProof } from '../../src/sandbox/proof-check.ts';
import {
  ACCESS_TOKEN,
  ANON,
  API,
  encodeFacts,
  finalText,
  requirementsText,
  solve,
  startSandbox,
  turn,
  type Granted,
  type Headers,
} from './backend-client.ts';

t.test('the landing page has a build id for clients of every year', async (t) => {
  const client = await startSandbox(t);
  for (const path of ['/', '/?oai-dm=1']) {
    const reply = await client.call('GET', path);
    t.equal(reply.status, 200);
    t.match(reply.headers['content-type'], /^text\/html/);
    t.match(reply.body, /<script src="[^"]*dpl=0123456789abcdef"/);
    t.match(reply.body, /<script src="[^"]*c\/[^/]*\/_/);
    t.match(reply.body, /<html data-build="prod-[0-9a-f]+"/);
  }
});

t.test('what is not there is not found', async (t) => {
  const client = await startSandbox(t);
  const reply = await client.call('GET', '/backend-api/nothing');
  t.equal(reply.status, 404);
  t.equal(reply.headers['content-type'], 'application/json');
  t.equal(reply.body, '{"detail":"Not Found"}');
});

t.test('the persona follows from base path and token', async (t) => {
  const client = await startSandbox(t);
  const personas: [string, Headers, string][] = [
    [ANON, {}, 'chatgpt-noauth'],
    [ANON, { authorization: ACCESS_TOKEN }, 'chatgpt-noauth'],
    [API, { authorization: ACCESS_TOKEN }, 'chatgpt-paid'],
    [API, { authorization: 'Bearer eyJhbGciOi.sandbox-free.x' }, 'chatgpt-freeaccount'],
  ];
  for (const [base, headers, persona] of personas) {
    const granted = JSON.parse((await client.requirements(base, headers)).body) as Granted;
    t.match(granted, { persona, proofofwork: { required: true, difficulty: '0fffff' } });
    t.match(granted.token, /^gAAAAAB/);
    t.match(granted.proofofwork.seed, /^0\.\d+/);
  }
});

t.test('an account path wants a good token', async (t) => {
  const client = await startSandbox(t);
  const past = Buffer.from(JSON.stringify({ exp: 1 })).toString('base64url');
  const refusals: [Headers, RegExp][] = [
    [{}, /^\{"detail":"Unauthorized"\}$/],
    [{ authorization: 'Bearer abc' }, /"code":"invalid_jwt"/],
    [{ authorization: 'Bearer eyJhbGciOi.expired' }, /"code":"token_expired"/],
    [{ authorization: `Bearer eyJhbGciOiJSUzI1NiJ9.${past}.x` }, /"code":"token_expired"/],
    [{ authorization: 'Bearer eyJhbGciOi.deactivated' }, /"code":"account_deactivated"/],
  ];
  for (const [headers, body] of refusals) {
    for (const reply of [
      await client.requirements(API, headers),
      await client.converse(turn('hi'), headers, API),
      await client.call('GET', `${API}/models`, client.headers(headers)),
    ]) {
      t.equal(reply.status, 401);
      t.equal(reply.headers['content-type'], 'application/json');
      t.match(reply.body, body);
    }
  }
});

t.test('the requirements text must look like one', async (t) => {
  const client = await startSandbox(t);
  const good = [
    { p: requirementsText() },
    { p: 'gAAAAACwQ8Lk5FbGpA2NcR9dShT6gYjU7VxZ4DIjAuNDIi' },
    { conversation_mode_kind: 'primary_assistant' },
    {},
  ];
  for (const body of good) t.equal((await client.requirements(ANON, {}, body)).status, 200);
  const bad = [
    { p: requirementsText().replace('gAAAAAC', 'gAAAAAB') },
    { p: 'gAAAAAC%%%' },
    { p: `gAAAAAC${Buffer.from('{"a":1}').toString('base64')}` },
    { p: 'gAAAAAC' },
  ];
  for (const body of bad)
    t.equal((await client.requirements(ANON, {}, body)).status, 403, JSON.stringify(body));
  t.equal((await client.requirements(ANON, {}, { p: 7 })).status, 422);
  t.equal((await client.requirements(ANON, {}, 'no json')).status, 422);
});

t.test('a proof counts by the inclusive rule on the digits of the digest', (t) => {
  t.match(checkProof(`gAAAAAB${solve('0.42', '0fffff')}`, '0.42', '0fffff'), { ok: true });
  const vector = encodeFacts(0).replace(/=+$/, '');
  t.ok(vector.startsWith('WzMwMTYsIk1vbiBKdWwgMDEg'));
  // The tie of the published vectors: nonce 0 under seed 0.99 has exactly this prefix.
  t.match(checkProof(`gAAAAAB${encodeFacts(0)}`, '0.99', '8496c9'), { ok: true });
  t.match(checkProof(`gAAAAAB${encodeFacts(0)}`, '0.99', '8496c8'), { ok: false });
  t.match(checkProof(`gAAAAAB${encodeFacts(4266)}`, '0.7312', '000fff'), { ok: true });
  t.end();
});

t.test('a conversation wants each of its headers', async (t) => {
  const client = await startSandbox(t);
  const spoiled: Headers[] = [
    { accept: '*/*' },
    { 'oai-device-id': 'me' },
    { origin: 'https://elsewhere.example' },
    { referer: 'https://elsewhere.example/' },
    { 'user-agent': '' },
  ];
  for (const headers of spoiled) {
    const reply = await client.converse(turn('hi'), { ...(await client.clearance()), ...headers });
    t.equal(reply.status, 403, JSON.stringify(headers));
    t.match(
      reply.body,
      /^\{"detail":"Unusual activity has been detected from your device\. Try again later\. \([0-9a-f]+\)"\}$/,
    );
    t.equal((await client.records()).at(-1)?.warnings.length, 1);
  }
  const untyped = await client.converse(turn('hi'), {
    ...(await client.clearance()),
    'content-type': 'text/plain',
  });
  t.equal(untyped.status, 422);
});

t.test('a conversation wants an unused clearance with everything asked for', async (t) => {
  const client = await startSandbox(t);
  const token = 'openai-sentinel-chat-requirements-token';
  const proof = 'openai-sentinel-proof-token';
  const without = (headers: Headers, name: string): Headers =>
    Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
  const refused = async (headers: Headers, why: RegExp, base = ANON): Promise<void> => {
    t.equal((await client.converse(turn('hi'), headers, base)).status, 403, String(why));
    t.match((await client.records()).at(-1)?.warnings[0], why);
  };

  const used = await client.clearance();
  t.equal((await client.converse(turn('hi'), used)).status, 200);
  await refused(used, /unknown, used or expired/);
  await refused({ ...(await client.clearance()), [token]: 'gAAAAABmade-up' }, /unknown, used or expired/);
  await refused(without(await client.clearance(), token), /requirements token is missing/);
  await refused(without(await client.clearance(), proof), /proof token is missing/);
  await refused({ ...(await client.clearance()), 'oai-device-id': randomUUID() }, /another oai-device-id/);
  await refused(
    { ...(await client.clearance()), authorization: ACCESS_TOKEN },
    /issued under \/backend-anon/,
    API,
  );
});

t.test('a wrong proof is refused, and another User-Agent only noted', async (t) => {
  const client = await startSandbox(t);
  const present = async (make: (seed: string, difficulty: string) => string, headers: Headers = {}) => {
    const granted = JSON.parse((await client.requirements()).body) as Granted;
    const { seed, difficulty } = granted.proofofwork;
    const reply = await client.converse(turn('hi'), {
      'openai-sentinel-chat-requirements-token': granted.token,
      'openai-sentinel-proof-token': make(seed, difficulty),
      ...headers,
    });
    return { status: reply.status, warning: (await client.records()).at(-1)?.warnings.join() };
  };
  t.match(await present((s, d) => `gAAAAAB${solve(s, d)}`), { status: 200, warning: '' });
  t.match(await present((s, d) => `gAAAAAB${solve(s, d)}`, { 'user-agent': 'Other/1' }), {
    status: 200,
    warning: /another User-Agent/,
  });
  t.match(await present((s, d) => `gAAAAAC${solve(s, d)}`), { status: 403, warning: /start with/ });
  t.match(await present((s, d) => `gAAAAAB${solve(s, d, false)}`), { status: 403, warning: /difficulty/ });
  t.match(await present((s) => `gAAAAABwQ8Lk5FbGpA2NcR9dShT6gYjU7VxZ4D${btoa(`"${s}"`)}`), {
    status: 403,
    warning: /given up/,
  });
  t.match(await present(() => 'gAAAAAB****'), { status: 403, warning: /base64/ });
  t.match(await present(() => `gAAAAAB${encodeFacts(0, 12)}`), { status: 403, warning: /12 entries/ });
  t.match(await present(() => `gAAAAAB${encodeFacts(0.5)}`), { status: 403, warning: /whole number/ });
});

t.test('a clearance ends after 540 seconds', async (t) => {
  let nowMs = 1_720_000_000_000;
  const client = await startSandbox(t, { now: () => nowMs });
  const [early, late] = [await client.clearance(), await client.clearance()];
  nowMs += 539_000;
  t.equal((await client.converse(turn('hi'), early)).status, 200);
  nowMs += 1_000;
  t.equal((await client.converse(turn('hi'), late)).status, 403);
});

t.test('an Arkose challenge wants the service’s own answer', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ arkoseRequired: true });
  const cleared = await client.clearance();
  t.match(cleared['openai-sentinel-arkose-token'], /^sim-arkose-[0-9a-f]+$/);
  t.equal((await client.converse(turn('hi'), cleared)).status, 200);
  const wrong = { ...(await client.clearance()), 'openai-sentinel-arkose-token': 'sim-arkose-0' };
  t.equal((await client.converse(turn('hi'), wrong)).status, 403);

  await client.scenario({ arkoseReply: 'empty' });
  t.equal(await client.arkoseToken('blob'), '');
});

t.test('Turnstile is asked for but never demanded; a forced login is', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ turnstileRequired: true, proofRequired: false });
  const granted = JSON.parse((await client.requirements()).body) as Granted;
  t.match(granted, { turnstile: { required: true, dx: String }, proofofwork: { required: false } });
  const cleared = { 'openai-sentinel-chat-requirements-token': granted.token };
  t.equal((await client.converse(turn('hi'), cleared)).status, 200);

  await client.scenario({ forceLogin: true });
  t.equal((JSON.parse((await client.requirements()).body) as Granted).force_login, true);
  const reply = await client.converse(turn('hi'), await client.clearance());
  t.equal(reply.status, 401);
});

t.test('a body is held to its schema, field by field', async (t) => {
  const client = await startSandbox(t);
  const message = (turn('hi')['messages'] as object[])[0];
  const image = {
    content_type: 'image_asset_pointer',
    asset_pointer: 'x',
    size_bytes: 1,
    width: 1,
    height: 1,
  };
  const content = (value: object) => ({ messages: [{ ...message, content: value }] });
  const bad: [object, unknown[], string][] = [
    [{ action: undefined }, ['action'], 'missing'],
    [{ action: 'go' }, ['action'], 'literal_error'],
    [{ model: 4 }, ['model'], 'string_type'],
    [{ parent_message_id: undefined }, ['parent_message_id'], 'missing'],
    [{ parent_message_id: 'x' }, ['parent_message_id'], 'uuid_parsing'],
    [{ messages: undefined }, ['messages'], 'missing'],
    [{ messages: [] }, ['messages'], 'too_short'],
    [{ messages: {} }, ['messages'], 'list_type'],
    [{ messages: [{ ...message, id: '1' }] }, ['messages', 0, 'id'], 'uuid_parsing'],
    [
      { messages: [{ ...message, author: { role: 'me' } }] },
      ['messages', 0, 'author', 'role'],
      'literal_error',
    ],
    [content({ content_type: 'text' }), ['messages', 0, 'content', 'parts'], 'missing'],
    [content({ content_type: 'text', parts: [1] }), ['messages', 0, 'content', 'parts', 0], 'string_type'],
    [
      content({ content_type: 'multimodal_text', parts: [image] }),
      ['messages', 0, 'content', 'parts', 0, 'asset_pointer'],
      'string_pattern_mismatch',
    ],
    [{ conversation_mode: { kind: 'gizmo_interaction' } }, ['conversation_mode', 'gizmo_id'], 'missing'],
    [{ history_and_training_disabled: 'true' }, ['history_and_training_disabled'], 'bool_type'],
    [{ supported_encodings: 'v1' }, ['supported_encodings'], 'list_type'],
    [{ action: 'continue', messages: undefined }, ['conversation_id'], 'missing'],
  ];
  for (const [fields, loc, type] of bad) {
    const reply = await client.converse(turn('hi', fields));
    t.equal(reply.status, 422, JSON.stringify(fields));
    t.equal(reply.headers['content-type'], 'application/json');
    const { detail } = JSON.parse(reply.body) as { detail: object[] };
    t.equal(detail.length, 1);
    t.match(detail[0], { type, loc: ['body', ...loc], msg: String });
  }
  t.match((await client.converse('{')).body, /"loc":\["body"\]/);
});

t.test('too long a message, an unknown model and an unknown conversation are named', async (t) => {
  const client = await startSandbox(t, { maxMessageChars: 100 });
  const long = await client.chat('x'.repeat(101));
  t.equal(long.status, 413);
  t.match(long.body, '"code":"message_length_exceeds_limit"');
  const model = await client.chat('hi', { model: 'gpt-17' });
  t.equal(model.status, 404);
  t.match(model.body, '"code":"model_not_found"');
  const conversation = await client.chat('hi', { conversation_id: randomUUID() });
  t.equal(conversation.status, 404);
  t.match(conversation.body, '"code":"conversation_not_found"');
});

t.test('models are those of the persona', async (t) => {
  const client = await startSandbox(t);
  const slugs = async (base: string, headers: Headers) => {
    const reply = await client.json('GET', `${base}/models`, client.headers(headers));
    return (reply as { models: { slug: string }[] }).models.map(({ slug }) => slug);
  };
  t.notOk((await slugs(ANON, {})).includes('gpt-4'));
  t.ok((await slugs(ANON, {})).includes('text-davinci-002-render-sha'));
  t.ok((await slugs(API, { authorization: ACCESS_TOKEN })).includes('gpt-4'));
});

t.test('a lenient sandbox notes what a strict one refuses', async (t) => {
  const client = await startSandbox(t, { strict: false });
  const reply = await client.converse(turn('say exactly: fine'), { accept: '*/*', 'oai-device-id': 'me' });
  t.equal(reply.status, 200);
  t.equal(finalText(reply.body), 'fine');
  t.equal((await client.records()).at(-1)?.warnings.length, 2);
});

t.test('behind a relay that clears, a strict sandbox asks for no clearance', async (t) => {
  const client = await startSandbox(t, { defaults: { checkSentinel: false } });
  t.equal((await client.converse(turn('hi'))).status, 200);
});
