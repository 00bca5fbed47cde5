import { request } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { REFUSAL_NAMES } from '../../src/sandbox/refusals.ts';
import { createSandbox } from '../../src/sandbox/server.ts';
import {
  ACCESS_TOKEN,
  API,
  finalText,
  startSandbox,
  turn,
  until,
  type BackendClient,
  type Reply,
} from './backend-client.ts';

t.test('every error of the backend comes by its name, at either call', async (t) => {
  const client = await startSandbox(t);
  const expected: Record<string, [number, string, RegExp]> = {
    invalid_jwt: [401, 'application/json', /"code":"invalid_jwt"/],
    token_expired: [401, 'application/json', /"code":"token_expired"/],
    account_deactivated: [401, 'application/json', /"code":"account_deactivated"/],
    unauthorized: [401, 'application/json', /^\{"detail":"Unauthorized"\}$/],
    cloudflare: [
      403,
      'text/html; charset=UTF-8',
      /cf-please-wait[\s\S]*cf-spinner-please-wait[\s\S]*_cf_chl_opt/,
    ],
    unusual_activity: [403, 'application/json', /^\{"detail":"Unusual activity has been detected/],
    conversation_not_found: [404, 'application/json', /"code":"conversation_not_found"/],
    conversation_inaccessible: [404, 'application/json', /"code":"conversation_inaccessible"/],
    model_not_found: [404, 'application/json', /"code":"model_not_found"/],
    gizmo_not_found: [404, 'application/json', /"code":"gizmo_not_found"/],
    file_not_found: [404, 'application/json', /"code":"file_not_found"/],
    file_denied: [403, 'application/json', /^\{"detail":"File stream access denied\."\}$/],
    message_too_long: [413, 'application/json', /"code":"message_length_exceeds_limit"/],
    invalid_body: [
      422,
      'application/json',
      /^\{"detail":\[\{"type":"missing","loc":\["body","messages"\],"msg":"Field required"\}\]\}$/,
    ],
    model_cap: [429, 'application/json', /^\{"detail":\{"clears_in":77,"code":"model_cap_exceeded"/],
    too_many_requests: [429, 'application/json', /^\{"detail":"Too many requests in 1 hour/],
    one_message: [429, 'application/json', /^\{"detail":"Only one message at a time/],
    server_error: [500, 'application/json', /^\{"detail":"Something went wrong/],
    unavailable: [503, 'application/json', /^\{"detail":"Something went wrong/],
    html_500: [500, 'text/html; charset=UTF-8', /<html>/],
    html_503: [503, 'text/html; charset=UTF-8', /<html>/],
  };
  t.same(Object.keys(expected).toSorted(), [...REFUSAL_NAMES].toSorted());

  const check = (reply: Reply, error: string): void => {
    const [status, contentType, body] = expected[error] ?? [0, '', /never/];
    t.match([reply.status, reply.headers['content-type'], reply.body], [status, contentType, body], error);
  };
  for (const error of REFUSAL_NAMES) {
    await client.scenario({ error, clearsInS: 77 });
    check(await client.chat('hi'), error);
    await client.scenario({ error, clearsInS: 77, at: 'requirements' });
    check(await client.requirements(), error);
  }
  await client.scenario({ error: 'cloudflare', at: 'landing' });
  check(await client.call('GET', '/'), 'cloudflare');
});

t.test('a scenario counts the requests at its place and then is over', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ at: 'requirements', error: 'server_error', times: 2 });
  t.same([await status(client), await status(client), await status(client)], [500, 500, 200]);

  await client.scenario({ error: 'one_message', times: 1 });
  t.equal((await client.chat('hi')).status, 429);
  t.equal((await client.chat('hi')).status, 200);
});

t.test('a list of scenarios is used in order', async (t) => {
  const client = await startSandbox(t);
  await client.scenario([
    { answer: 'first', times: 1 },
    { error: 'html_503', times: 1 },
    { answer: ['la', 'st'] },
  ]);
  t.equal(finalText((await client.chat('x')).body), 'first');
  t.equal((await client.chat('x')).status, 503);
  t.equal(finalText((await client.chat('x')).body), 'last');
  t.equal(finalText((await client.chat('x')).body), 'last');
});

t.test('a scenario can strike one account and spare the others', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ at: 'requirements', token: 'account-a', error: 'model_cap' });
  const ask = (name: string) =>
    client.requirements(API, { authorization: `Bearer eyJhbGciOi.account-${name}` });
  t.equal((await ask('a')).status, 429);
  t.equal((await ask('b')).status, 200);
});

t.test('a persona of the scenario does not open the door', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ persona: 'chatgpt-paid', difficulty: '000001' });
  t.equal((await client.requirements(API)).status, 401);
  const granted = JSON.parse((await client.requirements()).body) as object;
  t.match(granted, { persona: 'chatgpt-paid', proofofwork: { difficulty: '000001' } });
});

t.test('a scenario with a mistake is refused whole', async (t) => {
  const client = await startSandbox(t);
  const bad: [unknown, RegExp][] = [
    [{ sped: 1 }, /unknown field \\"sped\\"/],
    [{ toString: 1 }, /unknown field/],
    [{ times: 0 }, /\\"times\\" must be a whole number, 1 or more, or null/],
    [{ difficulty: '0FFFFF' }, /lower-case hex/],
    [{ error: 'nope' }, /\\"error\\" must be one of invalid_jwt, /],
    [{ chunking: { size: 0 } }, /chunking/],
    [{ chunking: { size: 1, more: 2 } }, /chunking/],
    [{ eventDelayMs: -1 }, /eventDelayMs/],
    [{ answer: [1] }, /answer/],
    [{ script: [{}] }, /script/],
    [{ script: [{ message: {}, event: 1 }] }, /script/],
    [{ script: [{ message: 'x' }] }, /script/],
    [{ script: [{ event: 1, only: 'v2' }] }, /script/],
    [[{}, 7], /JSON object/],
    ['{', /JSON object/],
  ];
  for (const [scenario, problem] of bad) {
    const reply = await client.scenario(scenario);
    t.equal(reply.status, 400);
    t.match(reply.body, problem);
  }
  t.equal((await client.chat('hi')).status, 200, 'nothing of it is in force');
});

t.test('what was received can be read back', async (t) => {
  const client = await startSandbox(t);
  await client.chat('remember me');
  const [requirements, conversation] = await client.records();
  t.match(requirements, {
    path: '/backend-anon/sentinel/chat-requirements',
    status: 200,
    outcome: 'answered',
  });
  t.match(conversation, {
    method: 'POST',
    path: '/backend-anon/conversation',
    headers: { 'openai-sentinel-proof-token': /^gAAAAAB/ },
    body: { messages: [{ content: { parts: ['remember me'] } }] },
    warnings: [],
    aborted: false,
    endedAtMs: Number,
  });
  t.not(requirements?.connection, conversation?.connection);
  t.equal((await client.records()).length, 2, 'control calls leave no trace');
  await client.call('POST', '/__sandbox/reset');
  t.same(await client.records(), []);
});

t.test('a client that leaves is seen to leave within 100 ms, in every phase', async (t) => {
  const client = await startSandbox(t);
  const phases = [
    { headersDelayMs: 60_000 },
    { firstEventDelayMs: 60_000 },
    { eventDelayMs: 60_000 },
    { stallAfterEvents: 4 },
  ];
  for (const scenario of phases) {
    await client.scenario(scenario);
    const headers = client.headers({ accept: 'text/event-stream', ...(await client.clearance()) });
    const leave = await open(client, headers, JSON.stringify(turn('hi')));
    await until(async () => (await state(client)).openStreams === 1);
    leave();
    const leftAtMs = Date.now();
    await until(async () => (await client.records()).at(-1)?.aborted === true);
    const seenAtMs = (await client.records()).at(-1)?.endedAtMs ?? Infinity;
    t.ok(seenAtMs - leftAtMs < 100, `${JSON.stringify(scenario)}: ${seenAtMs - leftAtMs} ms`);
    t.match(await state(client), { openStreams: 0, streams: [] });
    await until(async () => !(await client.records()).some(({ playing }) => playing));
  }
  t.match(await state(client), { counts: { aborted: phases.length } });
});

t.test('a request torn off in its body is aborted, not answered', async (t) => {
  const client = await startSandbox(t);
  const socket = connect(client.port, '127.0.0.1');
  socket.write('POST /backend-anon/conversation HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"a"');
  await until(async () => (await client.records()).length === 1);
  socket.destroy();
  await until(async () => (await client.records()).at(-1)?.outcome === 'aborted');
  t.equal((await client.chat('hi')).status, 200);
});

t.test('state tells of open streams and the scenarios left', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ stallAfterEvents: 5, times: 3 });
  const headers = client.headers({ accept: 'text/event-stream', ...(await client.clearance()) });
  const leave = await open(client, headers, JSON.stringify(turn('hi')));
  await until(async () => (await state(client)).streams[0]?.events === 5);
  t.match(await state(client), {
    openStreams: 1,
    counts: { received: 2, open: 1, answered: 1 },
    scenarios: [{ stallAfterEvents: 5, times: 2 }],
    unusedTokens: 0,
  });
  leave();
});

t.test('the same seed says the same, from the start and after a reset', async (t) => {
  const options = { now: () => 1_720_000_000_000 };
  const clients = [
    await startSandbox(t, options),
    await startSandbox(t, options),
    await startSandbox(t, { ...options, seed: 2 }),
  ] as const;
  const bodies = [];
  for (const client of clients) bodies.push((await client.chat('hello')).body);
  t.equal(bodies[0], bodies[1]);
  t.not(bodies[0], bodies[2]);
  await clients[0].call('POST', '/__sandbox/reset');
  t.equal((await clients[0].chat('hello')).body, bodies[0]);
});

t.test('closing ends open streams and can be done twice', async (t) => {
  const sandbox = createSandbox({
    host: '127.0.0.1',
    port: 0,
    defaults: { stallAfterEvents: 1, checkSentinel: false },
  });
  const { port } = await sandbox.listen();
  const response = await fetch(`http://127.0.0.1:${port}${API}/conversation`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      authorization: ACCESS_TOKEN,
      'content-type': 'application/json',
      'oai-device-id': '22222222-2222-4222-8222-222222222222',
      origin: `http://127.0.0.1:${port}`,
      referer: `http://127.0.0.1:${port}/`,
    },
    body: JSON.stringify(turn('hi')),
  });
  t.equal(response.status, 200);
  await Promise.all([sandbox.close(), t.rejects(response.text())]);
  await sandbox.close();
  const taken = createSandbox({ host: '256.0.0.1', port: 0 });
  await t.rejects(taken.listen());
});

async function status(client: BackendClient): Promise<number> {
  return (await client.requirements()).status;
}

interface State {
  readonly openStreams: number;
  readonly streams: readonly { readonly events: number }[];
}

async function state(client: BackendClient): Promise<State> {
  return (await client.json('GET', '/__sandbox/state')) as State;
}

/** Starts a conversation and returns what leaves it. */
async function open(
  client: BackendClient,
  headers: Record<string, string>,
  body: string,
): Promise<() => void> {
  const outgoing = request({
    host: '127.0.0.1',
    port: client.port,
    method: 'POST',
    path: '/backend-anon/conversation',
    headers,
    agent: false,
  });
  outgoing.on('error', () => {});
  outgoing.on('response', (response) => response.on('error', () => {}).resume());
  await new Promise<void>((resolve) => outgoing.end(body, resolve));
  return () => outgoing.destroy();
}
