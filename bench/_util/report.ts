import { mkdirSync, writeFileSync } from 'node:fs';
import { describeMachine } from './machine.ts';
import type { Chart } from './chart.ts';
import { toTable } from './table.ts';
import type { Row } from './table.ts';

/** What a bench found out. */
export interface Report {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Where one table does not hold it all. */
  readonly more?: readonly { readonly title: string; readonly rows: readonly Row[] }[];
  readonly curves?: readonly Chart[];
  /** Every single measurement. */
  readonly runs?: unknown;
}

const RESULTS = 'bench/results';

/** Prints the table and keeps the exact figures as `bench/results/<name>.json`. */
export function publish(name: string, report: Report): void {
  const machine = describeMachine();
  const at = new Date().toISOString();
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(`${RESULTS}/${name}.json`, `${JSON.stringify({ name, at, machine, ...report }, null, 2)}\n`);
  const { cores, cpu, node, nodeUnderLoad } = machine;
  const other = nodeUnderLoad === node ? '' : `, programs under load on ${nodeUnderLoad}`;
  process.stdout.write(`\n${name}: ${report.title}\n(${cores} cores, ${cpu}, node ${node}${other})\n\n`);
  process.stdout.write(`${toTable(report.rows)}\n`);
  for (const { title, rows } of report.more ?? []) {
    process.stdout.write(`
${title}
${
  rows.length === 0
    ? ''
    : `
${toTable(rows)}
`
}`);
  }
}
