import { Gauge, Registry } from 'prom-client';
import { accountFamilies } from '../../../src/metrics/account-families.ts';
import { renderFamilies } from '../../../src/metrics/exposition.ts';
import type { Family } from '../../../src/metrics/exposition.ts';
import { nodeFamilies } from '../../../src/metrics/node-families.ts';
import type { AccountReading, NodeReading } from '../../../src/metrics/sources.ts';
import { hold } from '../../_util/contest.ts';
import type { Report } from '../../_util/report.ts';
import type { Row } from '../../_util/table.ts';
import { partCase, requestCase } from './metering.ts';

const ACCOUNTS: readonly AccountReading[] = Array.from({ length: 1_000 }, (_, at) => ({
  id: `a${(at * 2_654_435_761).toString(16).slice(-11)}`,
  state: at % 3 === 0 ? 'busy' : 'ready',
  inFlight: at % 3,
  limits: 0,
  succeeded: at * 7,
  failed: at % 5,
}));
const NODES: readonly NodeReading[] = Array.from({ length: 50 }, (_, at) => ({
  kind: 'exit',
  name: `outbound proxy ${at + 1}`,
  host: `10.0.0.${at}:3128`,
  state: 'well',
  inFlight: at,
  latencyMs: at * 3.5,
  succeeded: at * 100,
  failed: at,
  ejections: 0,
}));

/** What metrics cost by themselves: per part of a stream and per request, and how long a scrape holds everything else up. */
export async function benchMetrics(): Promise<Report> {
  const rows = [...(await partCase()), ...(await requestCase()), ...(await pageCase())];
  return {
    title: 'metering of streams and requests, and the part of a page that grows with accounts and proxies',
    rows,
  };
}

function pageCase(): Promise<Row[]> {
  return hold<void>({
    name: 'a page of 1,000 accounts and 50 proxies',
    unit: 'unit',
    units: 'units',
    unitsPerRun: 1,
    expected: undefined,
    floor: { name: 'reading them', run: () => void families().length },
    baseline: { name: 'gauges of prom-client', run: () => renderByLibrary(families()) },
    ours: [{ name: 'our renderer', run: () => void renderFamilies(families()).length }],
  });
}

function families(): Family[] {
  return [...accountFamilies(ACCOUNTS), ...nodeFamilies(NODES)];
}

/** As one would with the library alone: gauges that are set at each scrape. */
async function renderByLibrary(wanted: readonly Family[]): Promise<void> {
  const register = new Registry();
  for (const { name, help, samples } of wanted) {
    const labelSets = samples.map(({ labels, value }) => ({ labels: toLabels(labels), value }));
    const labelNames = Object.keys(labelSets[0]?.labels ?? {});
    const gauge = new Gauge({ name, help, labelNames, registers: [register] });
    for (const { labels, value } of labelSets) gauge.set(labels, value);
  }
  await register.metrics();
}

function toLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(/(\w+)="([^"]*)"/g), ([, name = '', value = '']) => [name, value]),
  );
}
