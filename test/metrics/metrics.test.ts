import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { RequestRecord } from '../../src/http/server.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { MetricsSources, NodeReading } from '../../src/metrics/metrics.ts';
import { startProxy } from '../helpers/gateway.ts';
import { ask, askChat, startProgram } from '../helpers/program.ts';
import { startUpstream } from '../helpers/upstream.ts';

const exit: NodeReading = {
  kind: 'exit',
  name: 'outbound proxy 1',
  state: 'ejected',
  inFlight: 2,
  latencyMs: 250,
  succeeded: 7,
  failed: 3,
  ejections: 1,
};

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

function sources(overrides: Partial<MetricsSources> = {}): MetricsSources {
  return {
    inFlight: () => ({ requests: 3, leases: 2 }),
    waiting: () => ({ place: 1 }),
    accounts: () => ({ ready: 4, cooling: 1 }),
    usableAccounts: () => 4,
    nodes: () => [exit, { ...exit, kind: 'gateway', name: 'a.test', state: 'well', latencyMs: null }],
    proofs: () => ({ solved: 5, tries: 1_000, busyMs: 2_500 }),
    retries: () => ({ made: 6, denied: 1 }),
    connections: () => ({ open: 8, opened: 9, requests: 90 }),
    pressure: () => ({ loopDelayMs: 12, heapShare: 0.25, memoryShare: 0 }),
    ...overrides,
  };
}

t.test('what is read at a scrape is what there is then', async (t) => {
  let requests = 3;
  const metrics = createMetrics(sources({ inFlight: () => (requests === 0 ? {} : { requests }) }));
  const page = await metrics.render();
  for (const line of [
    'chat2api_in_flight{phase="requests"} 3',
    'chat2api_waiting{for="place"} 1',
    'chat2api_accounts{state="ready"} 4',
    'chat2api_accounts_usable 4',
    'chat2api_node_state{kind="exit",name="outbound proxy 1",state="ejected"} 1',
    'chat2api_node_state{kind="exit",name="outbound proxy 1",state="well"} 0',
    'chat2api_node_latency_seconds{kind="exit",name="outbound proxy 1"} 0.25',
    'chat2api_proof_busy_seconds_total 2.5',
    'chat2api_retries_denied_total 1',
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
  const page = await createMetrics(sources({ usableAccounts: () => NaN })).render();
  t.match(page, /^chat2api_accounts_usable NaN$/m);
});

t.test('a request counts when it ends, by route, status and code', async (t) => {
  const metrics = createMetrics(sources());
  const trace = {
    startedAt: 0,
    attempts: 2,
    leasedMs: 1,
    clearedMs: 2,
    openedMs: 3,
    firstTextMs: 400,
  };
  metrics.observe({ ...record, notes: { trace } });
  const error = new ChatError('rate_limit_exceeded', 'wait');
  metrics.observe({ ...record, status: 429, outcome: 'error', notes: { error } });
  const page = await metrics.render();
  const route = 'route="/v1/chat/completions"';
  t.ok(page.includes(`chat2api_requests_total{${route},status="200",code="",outcome="ok"} 1`));
  t.ok(page.includes(`{${route},status="429",code="rate_limit_exceeded",outcome="error"} 1`));
  t.ok(page.includes(`chat2api_request_duration_seconds_bucket{le="2.5",${route}} 2`));
  t.ok(page.includes('chat2api_first_token_seconds_bucket{le="0.5"} 1'));
  t.ok(page.includes('chat2api_first_token_seconds_bucket{le="0.25"} 0'));
  t.ok(page.includes('chat2api_attempts_total 2'));
});

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;

/** Reads a page as strictly as the text format is written; throws at what is none. */
function parsePage(page: string): Sample[] {
  if (!page.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of page.split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
    if (types.has(name)) throw new Error(`a second type: ${line}`);
    if (name !== '') types.set(name, type);
    if (line === '' || line.startsWith('# HELP ') || name !== '') continue;
    const sample = parseSample(line);
    const family = [sample.name, sample.name.replace(/_(bucket|sum|count)$/, '')].find((one) =>
      types.has(one),
    );
    if (family === undefined) throw new Error(`no type before ${line}`);
    const key = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(key)) throw new Error(`told twice: ${key}`);
    if (types.get(family) === 'counter' && !(sample.value >= 0)) throw new Error(`below zero: ${line}`);
    seen.add(key);
    samples.push(sample);
  }
  return samples;
}

function parseSample(line: string): Sample {
  const [, name, text = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels = [...text.matchAll(LABEL)];
  if (labels.map(([whole]) => whole).join('') !== text) throw new Error(`no labels: ${line}`);
  return {
    name,
    labels: Object.fromEntries(labels.map(([, label = '', said = '']) => [label, said])),
    value: Number(value?.replace('Inf', 'Infinity')),
  };
}

/** The rest is Node's, and comes as its garbage collector does. */
function ours(samples: readonly Sample[]): number {
  return samples.filter(({ name }) => name.startsWith('chat2api_')).length;
}

const SECRETS = {
  ADMIN_KEY: 'admin-canary-key',
  AUTHORIZATION: 'sk-canary-key',
  AUTH_KEY: 'gateway-canary-key',
} as const;

t.test('the page of the whole program, after all sorts of requests', async (t) => {
  const upstream = await startUpstream(t);
  const proxy = await startProxy(t);
  const program = await startProgram(t, {
    ...SECRETS,
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxy.url.replace('//', '//user:canary-password@'),
    RETRY_TIMES: '0',
  });
  const { port } = program;
  const page = async (): Promise<string> => (await ask(port, { method: 'GET', path: '/metrics' })).text;
  const asks = async (round: number): Promise<void> => {
    await askChat(port, { stream: round % 2 === 0 });
    await askChat(port, { token: `eyJhbGciOi.canary-${round}.x`, fields: { model: `canary-${round}` } });
    await askChat(port, { token: `canary-wrong-${round}` });
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
  t.ok(routes.has('unknown') && routes.has('/v1/chat/completions'));
  for (let round = 2; round < 8; round += 1) await asks(round);
  const text = await page();
  const after = parsePage(text);
  t.equal(ours(after), ours(before), 'what clients invent makes no label');
  t.notMatch(text, /canary/, 'no secret, and nothing of what clients said');
  const count = (samples: readonly Sample[]): number =>
    samples.reduce((sum, { name, value }) => sum + (name === 'chat2api_requests_total' ? value : 0), 0);
  t.equal(count(after) - count(before), 6 * 7 + 1, 'each request once, the page before among them');
});

t.test('the reader of these tests is strict', (t) => {
  const whole = '# HELP a b\n# TYPE a counter\na{x="1",y="\\""} 1\n';
  t.same(parsePage(whole), [{ name: 'a', labels: { x: '1', y: '\\"' }, value: 1 }]);
  for (const [from, to] of [
    ['# TYPE a counter\n', ''],
    ['counter', 'number'],
    ['y="\\""', 'y="""'],
    ['} 1', '} one'],
    ['} 1', '} -1'],
    ['} 1\n', '} 1'],
    ['} 1\n', '} 1\na{x="1",y="\\""} 2\n'],
  ] as const) {
    t.throws(() => parsePage(whole.replace(from, () => to)), JSON.stringify([from, to]));
  }
  t.end();
});
