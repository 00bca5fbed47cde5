import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { startProxy } from '../helpers/gateway.ts';
import { parseFamilies } from '../helpers/metrics-page.ts';
import type { Family } from '../helpers/metrics-page.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import { ask, askChat, startProgram } from '../helpers/program.ts';
import { requirements, sendJson, startUpstream } from '../helpers/upstream.ts';

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: { readonly uid: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly Target[];
}

interface Dashboard {
  readonly __inputs: readonly { readonly name: string }[];
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string }[] };
}

const FILE = new URL('../../../bench/grafana/dashboard.json', import.meta.url);
const dashboard = JSON.parse(readFileSync(FILE, 'utf8')) as Dashboard;

/** What Node.js tells beside, for those who look for something certain. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_eventloop_lag_mean_seconds',
  'nodejs_eventloop_lag_min_seconds',
  'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p90_seconds',
  'nodejs_eventloop_lag_seconds',
  'nodejs_eventloop_lag_stddev_seconds',
  'nodejs_heap_space_size_available_bytes',
  'nodejs_heap_space_size_total_bytes',
  'nodejs_heap_space_size_used_bytes',
  'nodejs_version_info',
  'process_cpu_seconds_total',
  'process_heap_bytes',
  'process_virtual_memory_bytes',
]);

/** The page of the whole program when it has done a bit of everything. */
async function realPage(t: Parameters<typeof startUpstream>[0]): Promise<Family[]> {
  const upstream = await startUpstream(t, {
    requirements: (asked) => sendJson(asked, 200, requirements('0fffff')),
  });
  const proxy = await startProxy(t);
  const { port } = await startProgram(t, {
    ADMIN_KEY,
    AUTHORIZATION: 'sk-team',
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxy.url,
  });
  await operatorOf(port).add(['eyJhbGciOi.one.x']);
  await askChat(port, { stream: true, token: 'sk-team' });
  await askChat(port, { token: 'wrong' });
  // The library is loaded by the first page at the latest, and watches from then on.
  await ask(port, { method: 'GET', path: '/metrics' });
  collectGarbage();
  await sleep(50);
  return parseFamilies((await ask(port, { method: 'GET', path: '/metrics' })).text);
}

/** Its figures are there when it has been at work only. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  'sum',
  'max',
  'topk',
  'rate',
  'increase',
  'histogram_quantile',
  'by',
  'label_values',
]);

/** The series that an expression reads, with the labels that it asks for or groups by. */
function readExpression(expression: string): { names: string[]; labels: string[] } {
  const bare = expression.replaceAll(/"[^"]*"/g, '""').replaceAll(/\[[^\]]*\]/g, '');
  const matched = [...bare.matchAll(/\{([^}]*)\}/g)].flatMap(
    ([, inner = '']) => inner.match(/\w+(?=[!=]~?)/g) ?? [],
  );
  const grouped = [...bare.matchAll(/\bby \(([^)]*)\)/g)].flatMap(
    ([, inner = '']) => inner.match(/\w+/g) ?? [],
  );
  const rest = bare.replaceAll(/\{[^}]*\}/g, '').replaceAll(/\bby \([^)]*\)/g, '');
  const names = (rest.match(/[a-z_]\w*/gi) ?? []).filter((word) => !FUNCTIONS.has(word));
  return { names, labels: [...matched, ...grouped] };
}

const SCRAPED = ['job', 'instance'];

t.test('every expression finds its series on a real page, and every series is shown', async (t) => {
  const families = await realPage(t);
  const series = new Map<string, Set<string>>();
  for (const { name, samples } of families) {
    if (samples.length === 0) t.comment(`no sample of ${name}`);
    for (const sample of samples) {
      const labels = series.get(sample.name) ?? new Set(SCRAPED);
      for (const label of Object.keys(sample.labels)) labels.add(label);
      series.set(sample.name, labels);
    }
  }
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const shown = new Set<string>();
  for (const expression of expressions) {
    const { names, labels } = readExpression(expression);
    t.ok(names.length > 0, expression);
    for (const name of names) {
      shown.add(name.replace(/_(bucket|sum|count)$/, ''));
      const known = series.get(name);
      t.ok(known !== undefined, `${name} is on the page`);
      for (const label of labels) t.ok(known?.has(label), `${name} has the label ${label}`);
    }
  }
  const missing = families.filter(({ name }) => !shown.has(name) && !LEFT_OUT.has(name));
  t.same(
    missing.map(({ name }) => name),
    [],
    'shown, or left out on purpose',
  );
  t.same(
    [...LEFT_OUT].filter((name) => shown.has(name)),
    [],
    'what is shown is not left out',
  );
});

t.test('Grafana can import it', (t) => {
  t.same(
    dashboard.__inputs.map(({ name }) => name),
    ['DS_PROMETHEUS'],
  );
  const { panels } = dashboard;
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids of their own');
  for (const { title, targets = [], type } of panels) {
    t.equal(targets.length > 0, type !== 'row', title);
    t.ok(targets.every(({ datasource }) => datasource.uid === '${DS_PROMETHEUS}'));
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
  }
  const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
  t.same(rows, ['Traffic', 'Latency', 'Streams', 'Proof of work', 'Accounts', 'Outbound', 'Process']);
  t.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24));
  const overlaps = panels.flatMap((one, at) => panels.slice(at + 1).filter((other) => overlap(one, other)));
  t.same(overlaps, [], 'no panel covers another');
  t.same(
    dashboard.templating.list.map(({ name }) => name),
    SCRAPED,
  );
  t.end();
});

function overlap({ gridPos: one }: Panel, { gridPos: other }: Panel): boolean {
  const isBeside = one.x + one.w <= other.x || other.x + other.w <= one.x;
  return !isBeside && one.y < other.y + other.h && other.y < one.y + one.h;
}
