import t from 'tap';
import { ERRORS, ChatError } from '../../src/errors.ts';
import type { RequestRecord } from '../../src/http/server.ts';
import { MAX_NAMED_ACCOUNTS } from '../../src/metrics/account-families.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';
import type { AccountReading, MetricsSources, NodeReading } from '../../src/metrics/sources.ts';
import { TurnMeter } from '../../src/metrics/turn-meter.ts';
import { startProxy } from '../helpers/gateway.ts';
import { parseFamilies, parsePage } from '../helpers/metrics-page.ts';
import type { Sample } from '../helpers/metrics-page.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import { ask, askChat, settled, startProgram } from '../helpers/program.ts';
import {
  DONE,
  endStream,
  event,
  openStream,
  requirements,
  sendJson,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';
import { eventually } from '../helpers/world.ts';

const exit: NodeReading = {
  kind: 'exit',
  name: 'outbound proxy 1',
  host: '10.0.0.3:3128',
  state: 'ejected',
  inFlight: 2,
  latencyMs: 250,
  succeeded: 7,
  failed: 3,
  ejections: 1,
};
const gateway: NodeReading = {
  ...exit,
  kind: 'gateway',
  name: 'a.test',
  host: 'a.test',
  state: 'well',
  latencyMs: null,
};

const account: AccountReading = { id: 'a1', state: 'ready', inFlight: 1, limits: 0, succeeded: 5, failed: 1 };

const record: RequestRecord = {
  requestId: 'r',
  method: 'POST',
  route: '/v1/chat/completions',
  status: 200,
  bytesOut: 10,
  durationMs: 1_500,
  outcome: 'ok',
  notes: {},
};

function metricsOf(overrides: Partial<MetricsSources> = {}, turns = new TurnMeter(() => 0)): Metrics {
  const sources: MetricsSources = {
    chats: () => ({ place: 1, streaming: 2 }),
    waiting: () => ({ place: 1 }),
    underWay: () => ({ requests: 3, leases: 2, upstreamCalls: 2 }),
    accounts: () => ({ ready: 4, cooling: 1 }),
    usableAccounts: () => 4,
    eachAccount: () => [account],
    nodes: () => [exit, gateway],
    proofs: () => ({
      queued: 1,
      running: 2,
      backlogMs: 1_500,
      presolved: 3,
      solved: 5,
      failed: 1,
      tries: 1_000,
      busyMs: 2_500,
      waitedMs: 100,
      lostSlices: 0,
    }),
    retries: () => ({ made: 6, denied: 1, retrying: 2, allowed: 3 }),
    connections: () => ({ open: 8, opened: 9, reused: 70, requests: 90 }),
    pressure: () => ({ loopDelayMs: 12, heapShare: 0.25, memoryShare: 0 }),
    ...overrides,
  };
  return createMetrics({ sources, turns });
}

t.test('what is read at a scrape is what there is then', async (t) => {
  let requests = 3;
  const metrics = metricsOf({ chats: () => (requests === 0 ? {} : { streaming: requests }) });
  const page = await metrics.render();
  for (const line of [
    'chat2api_in_flight{phase="streaming"} 3',
    'chat2api_waiting{for="place"} 1',
    'chat2api_requests_in_flight 3',
    'chat2api_accounts{state="ready"} 4',
    'chat2api_accounts_usable 4',
    'chat2api_account_state{account="a1",state="ready"} 1',
    'chat2api_account_succeeded_total{account="a1"} 5',
    'chat2api_node_state{kind="exit",name="outbound proxy 1",host="10.0.0.3:3128",state="ejected"} 1',
    'chat2api_node_state{kind="exit",name="outbound proxy 1",host="10.0.0.3:3128",state="well"} 0',
    'chat2api_node_latency_seconds{kind="exit",name="outbound proxy 1",host="10.0.0.3:3128"} 0.25',
    'chat2api_proof_busy_seconds_total 2.5',
    'chat2api_proof_backlog_seconds 1.5',
    'chat2api_retries_denied_total 1',
    'chat2api_retry_budget 3',
    'chat2api_connections_open 8',
    'chat2api_loop_delay_seconds 0.012',
  ]) {
    t.ok(page.includes(`\n${line}\n`), line);
  }
  t.notMatch(page, /node_latency_seconds\{kind="gateway"/, 'no figure where there is none');
  requests = 0;
  t.notMatch(await metrics.render(), /chat2api_in_flight\{/, 'nothing is left of the last scrape');
  t.equal((await metrics.render()).match(/^chat2api_proofs_solved_total 5$/gm)?.length, 1);
});

t.test('a figure that there is not is spelt as the format wants it', async (t) => {
  const page = await metricsOf({ usableAccounts: () => NaN }).render();
  t.match(page, /^chat2api_accounts_usable NaN$/m);
});

t.test('accounts beyond the cap are one, and no sum changes', async (t) => {
  const accounts = Array.from({ length: MAX_NAMED_ACCOUNTS + 7 }, (_, at) => ({
    ...account,
    id: `a${at}`,
    state: at % 2 === 0 ? 'ready' : 'cooling',
  }));
  const families = parseFamilies(await metricsOf({ eachAccount: () => accounts }).render());
  const samplesOf = (name: string): readonly Sample[] =>
    families.find((family) => family.name === name)?.samples ?? [];
  const succeeded = samplesOf('chat2api_account_succeeded_total');
  t.equal(succeeded.length, MAX_NAMED_ACCOUNTS + 1);
  t.equal(succeeded.at(-1)?.labels['account'], 'other');
  t.equal(
    succeeded.reduce((sum, { value }) => sum + value, 0),
    5 * accounts.length,
  );
  const states = samplesOf('chat2api_account_state');
  t.equal(
    states.reduce((sum, { value }) => sum + value, 0),
    accounts.length,
  );
  t.same(
    states.slice(MAX_NAMED_ACCOUNTS).map(({ labels, value }) => [labels['account'], labels['state'], value]),
    [
      ['other', 'ready', 4],
      ['other', 'cooling', 3],
    ],
  );
});

t.test('names that are the same or hold any sign at all', async (t) => {
  const odd = 'a"\\\nb';
  const nodes = [gateway, gateway, { ...gateway, name: odd }];
  const samples = parsePage(await metricsOf({ nodes: () => nodes }).render());
  const names = samples
    .filter(({ name }) => name === 'chat2api_node_in_flight')
    .map(({ labels }) => labels['name']);
  t.same(names, ['a.test', 'a.test #2', String.raw`a\"\\\nb`]);
});

t.test('a request counts when it ends, by route, status and code', async (t) => {
  const trace = { startedAt: 100, attempts: 2, leasedMs: 1, clearedMs: 2, openedMs: 3, firstTextMs: 400 };
  const metrics = metricsOf();
  const endedMs = 1_500;
  metrics.observe({ ...record, notes: { trace } }, endedMs);
  const error = new ChatError('rate_limit_exceeded', 'wait');
  metrics.observe({ ...record, status: 429, outcome: 'error', notes: { error } }, endedMs);
  metrics.observe({ ...record, route: 'unknown', status: 404 }, endedMs);
  const page = await metrics.render();
  const route = 'route="/v1/chat/completions"';
  t.ok(page.includes(`chat2api_requests_total{${route},status="200",code="",outcome="ok"} 1`));
  t.ok(page.includes(`{${route},status="429",code="rate_limit_exceeded",outcome="error"} 1`));
  t.ok(page.includes('chat2api_requests_total{route="other",status="404"'));
  t.ok(page.includes(`chat2api_request_duration_seconds_bucket{${route},le="2.5"} 2`));
  t.ok(page.includes(`chat2api_sent_bytes_total{${route}} 20`));
  t.ok(page.includes('chat2api_stream_duration_seconds_sum 1\n'), 'from the text until now');
  t.ok(page.includes('chat2api_first_token_seconds_sum 0.5\n'), 'the time in the queue is part of it');
});

t.test('the meter of chats: phases, gaps, attempts', async (t) => {
  let nowMs = 0;
  const turns = new TurnMeter(() => nowMs);
  const { clearance, answer } = turns.phases;
  const [sinceMs, otherMs] = [clearance.enter(), answer.enter()];
  t.match(turns.inPhase, { clearance: 1, answer: 1 });
  nowMs = 300;
  clearance.leave(sinceMs);
  answer.leave(otherMs);
  t.match(turns.inPhase, { clearance: 0, answer: 0 });
  for (const ms of [0, 1, 3, 20, 100_000]) turns.gap(ms);
  turns.attempted('');
  turns.attempted('upstream_error');
  turns.proved(40, 1_000);
  const samples = parsePage(await metricsOf({}, turns).render());
  const value = (name: string, labels: object): number | undefined =>
    samples.find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.value;
  t.equal(value('chat2api_phase_duration_seconds_bucket', { phase: 'clearance', le: '0.25' }), 0);
  t.equal(value('chat2api_phase_duration_seconds_bucket', { phase: 'clearance', le: '0.5' }), 1);
  t.equal(value('chat2api_stream_gap_seconds_bucket', { le: '0.001' }), 2, 'a bound belongs to its bucket');
  t.equal(value('chat2api_stream_gap_seconds_bucket', { le: '0.025' }), 4);
  t.equal(value('chat2api_stream_gap_seconds_bucket', { le: '+Inf' }), 5);
  t.equal(value('chat2api_stream_gap_seconds_sum', {}), 100.024);
  t.equal(value('chat2api_attempts_total', { code: 'upstream_error' }), 1);
  t.equal(value('chat2api_proof_tries_bucket', { le: '1000' }), 1);
  t.equal(value('chat2api_proof_duration_seconds_sum', {}), 0.04);
});

/** Answers in pieces, the last of them when the test says so. */
function inPieces(go: Promise<void>): (asked: Asked) => Promise<void> {
  return async (asked) => {
    openStream(asked);
    stream(asked, event('One'));
    await go;
    stream(asked, event('One two'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    stream(asked, event('One two three', true) + DONE);
    endStream(asked);
  };
}

t.test('chats are in one phase after the other', async (t) => {
  let goOn = (): void => {};
  const going = new Promise<void>((resolve) => (goOn = resolve));
  let answerRequirements = (): void => {};
  const required = new Promise<void>((resolve) => (answerRequirements = resolve));
  const upstream = await startUpstream(t, {
    requirements: async (asked) => {
      await required;
      sendJson(asked, 200, requirements('000fff'));
    },
    conversation: inPieces(going),
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    MAX_INFLIGHT: '1',
    POW_DIFFICULTY: '000001',
  });
  const figures = async (): Promise<Map<string, number>> => {
    const { text } = await ask(program.port, { method: 'GET', path: '/metrics' });
    return new Map(
      parsePage(text).map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
    );
  };
  const inPhase = async (phase: string): Promise<boolean> =>
    (await figures()).get(`chat2api_in_flight ${phase}`) === 1;
  const answers = [askChat(program.port, { stream: true })];
  t.ok(await eventually(() => inPhase('clearance')));
  answers.push(askChat(program.port, { stream: true }));
  t.ok(await eventually(() => inPhase('place')), 'the second waits');
  answerRequirements();
  t.ok(await eventually(() => inPhase('streaming'), 30_000), 'once the proof is solved');
  t.notOk(await inPhase('clearance'));
  goOn();
  t.ok((await Promise.all(answers)).every(({ status }) => status === 200));
  await settled(program);
  const end = await figures();
  for (const phase of ['place', 'account', 'clearance', 'upload', 'answer', 'streaming']) {
    t.equal(end.get(`chat2api_in_flight ${phase}`), 0, phase);
  }
  t.equal(end.get('chat2api_stream_gap_seconds_count'), 4);
  t.ok((end.get('chat2api_stream_gap_seconds_sum') ?? 0) >= 0.05);
  t.equal(end.get('chat2api_proof_duration_seconds_count'), 2);
  t.ok((end.get('chat2api_proof_tries_sum') ?? 0) > 0);
  t.equal(end.get('chat2api_attempts_total '), 2);
  t.equal(end.get('chat2api_stream_duration_seconds_count'), 2);
});

/** The rest is Node's, and comes as its garbage collector does. */
function ours(samples: readonly Sample[]): string[] {
  return samples
    .filter(({ name }) => name.startsWith('chat2api_'))
    .map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
}

const SECRETS = {
  AUTHORIZATION: 'sk-canary-key',
  AUTH_KEY: 'gateway-canary-key',
} as const;

t.test('the page of the whole program, after all sorts of requests', async (t) => {
  const upstream = await startUpstream(t);
  const proxy = await startProxy(t);
  const program = await startProgram(t, {
    ...SECRETS,
    ADMIN_KEY,
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxy.url.replace('//', '//canary-user:canary-password@'),
    RETRY_TIMES: '0',
  });
  const { port } = program;
  await operatorOf(port).add([
    'eyJhbGciOi.canary-account.x,canary-workspace',
    'r'.repeat(33) + 'canaryCANARY',
  ]);
  const page = async (): Promise<string> => (await ask(port, { method: 'GET', path: '/metrics' })).text;
  const asks = async (round: number): Promise<void> => {
    await askChat(port, { stream: round % 2 === 0 });
    await askChat(port, { token: SECRETS.AUTHORIZATION });
    await askChat(port, { token: `eyJhbGciOi.canary-${round}.x`, fields: { model: `canary-${round}` } });
    await askChat(port, { token: `canary-wrong-${round}`, fields: { user: 'canary@example.com' } });
    await ask(port, { body: '{' });
    for (const path of [
      `/v1/canary-${round}`,
      `/canary/${round}?key=canary`,
      '/v1/models/canary"\\x\n'.trim(),
    ])
      await ask(port, { method: round % 2 === 0 ? 'GET' : 'DELETE', path: encodeURI(path) });
  };
  await asks(0);
  await asks(1);
  await page();
  const before = parsePage(await page());
  const routes = new Set(before.flatMap(({ labels }) => labels['route'] ?? []));
  t.ok(routes.has('other') && routes.has('/v1/chat/completions'));
  for (let round = 2; round < 8; round += 1) await asks(round);
  const text = await page();
  const after = parsePage(text);
  t.same(ours(after), ours(before), 'what clients invent makes no label');
  t.notMatch(text, /canary/i, 'no secret, and nothing of what clients said');
  t.ok(text.includes(`host="${new URL(proxy.url).host}"`), 'the proxy is known by its host');
  t.match(text, /^chat2api_account_state\{account="[\w-]{4,32}",state="\w+"\} 1$/m);
  const codes = new Set(after.flatMap(({ labels }) => labels['code'] ?? []));
  for (const code of codes) t.ok(code === '' || code === 'client_gone' || Object.hasOwn(ERRORS, code), code);
  const count = (samples: readonly Sample[]): number =>
    samples.reduce((sum, { name, value }) => sum + (name === 'chat2api_requests_total' ? value : 0), 0);
  t.equal(count(after) - count(before), 6 * 8 + 1, 'each request once, the page before among them');
});

t.test('names and units are as Prometheus has them', async (t) => {
  const families = parseFamilies(await metricsOf().render());
  for (const { name, type, help } of families.filter((family) => family.name.startsWith('chat2api_'))) {
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    t.notMatch(name, /_(ms|millis|us|kb|mb|percent)(_|$)/, name);
    t.ok(help.length > 10, help);
    if (type === 'histogram') t.match(name, /_(seconds|tries)$/);
  }
});

t.test('the reader of these tests is strict', (t) => {
  const whole = '# HELP a b\n# TYPE a counter\na{x="1",y="\\""} 1\n';
  t.same(parsePage(whole), [{ name: 'a', labels: { x: '1', y: '\\"' }, value: 1 }]);
  for (const [from, to] of [
    ['# TYPE a counter\n', ''],
    ['# HELP a b\n', ''],
    ['counter', 'number'],
    ['y="\\""', 'y="""'],
    ['} 1', '} one'],
    ['} 1', '} Nan'],
    ['} 1', '} -1'],
    ['} 1\n', '} 1'],
    ['} 1\n', '} 1\nb 1\n'],
    ['} 1\n', '} 1\na{x="1",y="\\""} 2\n'],
  ] as const) {
    t.throws(() => parsePage(whole.replace(from, () => to)), JSON.stringify([from, to]));
  }
  const histogram =
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 2\na_sum 3\na_count 2\n';
  t.equal(parsePage(histogram).length, 4);
  for (const [from, to] of [
    ['{le="1"} 1', '{le="1"} 3'],
    ['+Inf', '9'],
    ['a_count 2', 'a_count 3'],
    ['a_sum 3\n', ''],
  ] as const) {
    t.throws(() => parsePage(histogram.replace(from, () => to)), JSON.stringify([from, to]));
  }
  t.end();
});
