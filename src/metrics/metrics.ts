import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { RequestRecord } from '../http/server.ts';
import { LOOP_PROBE_EVERY_MS } from '../pressure.ts';
import type { PressureSample } from '../pressure.ts';
import { accountFamilies } from './account-families.ts';
import { renderFamilies } from './exposition.ts';
import { nodeFamilies } from './node-families.ts';
import { RequestMeter } from './request-meter.ts';
import type { MetricsSources } from './sources.ts';
import type { TurnMeter } from './turn-meter.ts';

export interface Metrics {
  /** `endedMs`: by the wall clock, on which traces are. */
  observe(record: RequestRecord, endedMs: number): void;
  /** The page in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

export interface MetricsOptions {
  readonly sources: MetricsSources;
  readonly turns: Pick<TurnMeter, 'families'>;
}

/** Figures of the program for Prometheus; what they cost is paid at the end of a request and at a scrape. */
export function createMetrics({ sources, turns }: MetricsOptions): Metrics {
  const register = new Registry();
  // Node's own figures of the loop's lag have this interval in them: nothing is late at 0.1 s.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: LOOP_PROBE_EVERY_MS });
  const registers = [register];
  watchCounts(sources, registers);
  watchTotals(sources, registers);
  watchPressure(sources, registers);
  const requests = new RequestMeter();
  return {
    contentType: register.contentType,
    observe: (record, endedMs) => requests.observe(record, endedMs),
    async render() {
      const families = [
        ...requests.families(),
        ...turns.families(),
        ...accountFamilies(sources.eachAccount()),
        ...nodeFamilies(sources.nodes()),
      ];
      // The library spells the figure that there is not `Nan`; the text format knows `NaN` only.
      const page = (await register.metrics()).replaceAll(/ Nan$/gm, ' NaN');
      return page + renderFamilies(families);
    },
  };
}

type Labelled = readonly [name: string, help: string, label: string];
type Read = () => Readonly<Record<string, number>>;

/** Gauges with one label, filled anew at each scrape. */
function watchCounts(sources: MetricsSources, registers: Registry[]): void {
  const counts: readonly [...Labelled, Read][] = [
    ['in_flight', 'Chats under way, by phase; uploads run beside the clearance', 'phase', sources.chats],
    ['waiting', 'What waits, and for what', 'for', sources.waiting],
    ['accounts', 'Accounts of the pool, by state', 'state', sources.accounts],
  ];
  for (const [name, help, label, read] of counts) {
    new Gauge({
      name: `chat2api_${name}`,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
      },
    });
  }
  const gauges: readonly Figure[] = [
    ['requests_in_flight', 'Requests whose answer is not complete', () => sources.underWay().requests],
    ['leases_in_flight', 'Accounts and ways out on loan to chats', () => sources.underWay().leases],
    ['upstream_calls_in_flight', 'Calls to upstream under way', () => sources.underWay().upstreamCalls],
    ['accounts_usable', 'Accounts that can take a chat, now or when they are free', sources.usableAccounts],
    ['proofs_queued', 'Proofs of work that no thread is at', () => sources.proofs().queued],
    ['proofs_running', 'Proofs of work that threads are at', () => sources.proofs().running],
    [
      'proof_backlog_seconds',
      'When all proofs that chats wait for will be solved, with average luck',
      () => sources.proofs().backlogMs / 1000,
    ],
    ['presolved', 'Clearances that wait for a chat', () => sources.proofs().presolved],
    ['retrying', 'Chats at a retry that takes a place of the budget', () => sources.retries().retrying],
    ['retry_budget', 'Places for retries, by the chats under way', () => sources.retries().allowed],
    ['connections_open', 'Connections to upstream that stand', () => sources.connections().open],
  ];
  watchGauges(gauges, registers);
}

type Figure = readonly [name: string, help: string, read: () => number];

function watchGauges(figures: readonly Figure[], registers: Registry[]): void {
  for (const [name, help, read] of figures) {
    new Gauge({
      name: `chat2api_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
}

function watchTotals(sources: MetricsSources, registers: Registry[]): void {
  const { proofs, retries, connections } = sources;
  const totals: readonly Figure[] = [
    ['proofs_solved_total', 'Proofs of work that threads solved', () => proofs().solved],
    ['proofs_failed_total', 'Proofs of work that were refused, late or broken', () => proofs().failed],
    ['proof_tries_total', 'Tries that proofs of work took', () => proofs().tries],
    ['proof_busy_seconds_total', 'Time that threads searched', () => proofs().busyMs / 1000],
    ['proof_wait_seconds_total', 'Time that proofs were without a thread', () => proofs().waitedMs / 1000],
    ['proof_lost_slices_total', 'Slices of proofs whose thread died', () => proofs().lostSlices],
    ['retries_total', 'Attempts after the first', () => retries().made],
    ['retries_denied_total', 'Retries that the budget did not allow', () => retries().denied],
    ['connections_opened_total', 'Connections made to upstream', () => connections().opened],
    [
      'connections_reused_total',
      'Requests on a connection that had served before',
      () => connections().reused,
    ],
    ['upstream_requests_total', 'Requests sent upstream', () => connections().requests],
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
}

function watchPressure({ pressure }: MetricsSources, registers: Registry[]): void {
  const read = (figure: (sample: PressureSample) => number) => () => figure(pressure());
  watchGauges(
    [
      [
        'loop_delay_seconds',
        'Median lateness of timers over the last second',
        read(({ loopDelayMs }) => loopDelayMs / 1000),
      ],
      ['heap_used_ratio', "Share of the heap's limit in use", read(({ heapShare }) => heapShare)],
      [
        'memory_used_ratio',
        "Share of the container's memory in use; 0: no limit",
        read(({ memoryShare }) => memoryShare),
      ],
    ],
    registers,
  );
}
