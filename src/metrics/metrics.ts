import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestRecord } from '../http/server.ts';
import type { PressureSample } from '../pressure.ts';

/** What is read at each scrape, as it is then. Names are labels: bounded sets, and no secrets. */
export interface MetricsSources {
  /** By phase: `requests`, `leases`, ... */
  readonly inFlight: () => Readonly<Record<string, number>>;
  /** By what they wait for. */
  readonly waiting: () => Readonly<Record<string, number>>;
  /** Accounts of the pool, by state. */
  readonly accounts: () => Readonly<Record<string, number>>;
  readonly usableAccounts: () => number;
  readonly nodes: () => readonly NodeReading[];
  readonly proofs: () => ProofReading;
  readonly retries: () => RetryReading;
  readonly connections: () => ConnectionReading;
  readonly pressure: () => PressureSample;
}

/** An outbound proxy or a gateway. */
export interface NodeReading {
  readonly kind: 'exit' | 'gateway';
  readonly name: string;
  readonly state: string;
  readonly inFlight: number;
  readonly latencyMs: number | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly ejections: number;
}

/** Totals since the start. */
export interface ProofReading {
  readonly solved: number;
  readonly tries: number;
  readonly busyMs: number;
}

export interface RetryReading {
  readonly made: number;
  /** Not made, for the budget was spent. */
  readonly denied: number;
}

export interface ConnectionReading {
  readonly open: number;
  readonly opened: number;
  readonly requests: number;
}

export interface Metrics {
  observe(record: RequestRecord): void;
  /** The page in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600];
const NODE_STATES = ['well', 'ejected', 'probing', 'slow_start'];

/** Figures of the program for Prometheus; what it costs is paid at the end of a request and at a scrape. */
export function createMetrics(sources: MetricsSources): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  const requests = new Counter({
    name: 'chat2api_requests_total',
    help: 'Requests that ended, by route, status and error code',
    labelNames: ['route', 'status', 'code', 'outcome'],
    registers,
  });
  const duration = new Histogram({
    name: 'chat2api_request_duration_seconds',
    help: 'From the request to the end of its answer',
    labelNames: ['route'],
    buckets: SECONDS,
    registers,
  });
  const firstToken = new Histogram({
    name: 'chat2api_first_token_seconds',
    help: "From the request to the first text of a chat's answer",
    buckets: SECONDS,
    registers,
  });
  const attempts = new Counter({
    name: 'chat2api_attempts_total',
    help: 'Attempts that chats took, retries among them',
    registers,
  });
  watchCounts(sources, registers);
  watchNodes(sources, registers);
  watchTotals(sources, registers);
  watchPressure(sources, registers);
  return {
    contentType: register.contentType,
    // The library spells the figure that there is not `Nan`; the text format knows `NaN` only.
    render: async () => (await register.metrics()).replaceAll(/ Nan$/gm, ' NaN'),
    observe({ route, status, outcome, durationMs, notes: { error, trace } }) {
      requests.inc({ route, status: status ?? 0, code: error?.code ?? '', outcome });
      duration.observe({ route }, durationMs / 1000);
      if (trace === undefined) return;
      attempts.inc(trace.attempts);
      if (trace.firstTextMs !== null) firstToken.observe(trace.firstTextMs / 1000);
    },
  };
}

/** A gauge with one label, filled anew at each scrape. */
function watch(
  registers: Registry[],
  [name, help, label]: readonly [name: string, help: string, label: string],
  read: () => Readonly<Record<string, number>>,
): void {
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers,
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
    },
  });
}

function watchCounts(sources: MetricsSources, registers: Registry[]): void {
  watch(registers, ['chat2api_in_flight', 'What is under way, by phase', 'phase'], sources.inFlight);
  watch(registers, ['chat2api_waiting', 'What waits, and for what', 'for'], sources.waiting);
  watch(registers, ['chat2api_accounts', 'Accounts of the pool, by state', 'state'], sources.accounts);
  new Gauge({
    name: 'chat2api_accounts_usable',
    help: 'Accounts of the pool that can take a chat, now or when they are free',
    registers,
    collect() {
      this.set(sources.usableAccounts());
    },
  });
}

function watchNodes(sources: MetricsSources, registers: Registry[]): void {
  const labelNames = ['kind', 'name'];
  new Gauge({
    name: 'chat2api_node_state',
    help: '1 for the state that an outbound proxy (exit) or gateway is in',
    labelNames: [...labelNames, 'state'],
    registers,
    collect() {
      this.reset();
      for (const { kind, name, state } of sources.nodes())
        for (const each of NODE_STATES) this.set({ kind, name, state: each }, each === state ? 1 : 0);
    },
  });
  const gauges: readonly [string, string, (node: NodeReading) => number | null][] = [
    ['in_flight', 'Attempts under way', ({ inFlight }) => inFlight],
    [
      'latency_seconds',
      "Moving average of the time to an answer's head",
      ({ latencyMs }) => seconds(latencyMs),
    ],
    ['succeeded', 'Attempts that went well', ({ succeeded }) => succeeded],
    ['failed', 'Failures held against it', ({ failed }) => failed],
    ['ejections', 'How often it was taken out', ({ ejections }) => ejections],
  ];
  for (const [suffix, help, read] of gauges) {
    new Gauge({
      name: `chat2api_node_${suffix}`,
      help: `${help}, per outbound proxy (exit) and gateway`,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const node of sources.nodes()) {
          const value = read(node);
          if (value !== null) this.set({ kind: node.kind, name: node.name }, value);
        }
      },
    });
  }
}

function watchTotals(sources: MetricsSources, registers: Registry[]): void {
  const totals: readonly [string, string, () => number][] = [
    ['proofs_solved_total', 'Proofs of work that were solved', () => sources.proofs().solved],
    ['proof_tries_total', 'Tries that proofs of work took', () => sources.proofs().tries],
    ['proof_busy_seconds_total', 'Time that threads searched', () => sources.proofs().busyMs / 1000],
    ['retries_total', 'Attempts after the first', () => sources.retries().made],
    ['retries_denied_total', 'Retries that the budget did not allow', () => sources.retries().denied],
    ['connections_opened_total', 'Connections made to upstream', () => sources.connections().opened],
    ['upstream_requests_total', 'Requests sent upstream', () => sources.connections().requests],
  ];
  for (const [name, help, read] of totals) {
    new Counter({
      name: `chat2api_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
  new Gauge({
    name: 'chat2api_connections_open',
    help: 'Connections to upstream that stand',
    registers,
    collect() {
      this.set(sources.connections().open);
    },
  });
}

function watchPressure(sources: MetricsSources, registers: Registry[]): void {
  const shares: readonly [string, string, (sample: PressureSample) => number][] = [
    ['loop_delay_seconds', 'Median lateness of timers over the last second', (s) => s.loopDelayMs / 1000],
    ['heap_share', "Share of the heap's limit in use", (s) => s.heapShare],
    ['memory_share', "Share of the container's memory in use; 0: no limit", (s) => s.memoryShare],
  ];
  for (const [name, help, read] of shares) {
    new Gauge({
      name: `chat2api_${name}`,
      help,
      registers,
      collect() {
        this.set(read(sources.pressure()));
      },
    });
  }
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
