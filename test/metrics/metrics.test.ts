import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { RequestRecord } from '../../src/http/server.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { MetricsSources, NodeReading } from '../../src/metrics/metrics.ts';

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
