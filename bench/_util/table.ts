import { toDigits } from './spread.ts';

/** One line of a table; null is a figure that makes no sense there. */
export type Row = Readonly<Record<string, string | number | null>>;

/** Rows of the same columns as a Markdown table that also reads well in a terminal. */
export function toTable(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => columns.map((column) => toCell(row[column] ?? null)));
  const widths = columns.map((column, at) => widest([column, ...cells.map((line) => line[at] ?? '')]));
  const isText = columns.map((column) => typeof rows[0]?.[column] === 'string');
  const toLine = (line: readonly string[]): string =>
    `| ${line.map((cell, at) => pad(cell, widths[at] ?? 0, isText[at] ?? false)).join(' | ')} |`;
  const rule = widths.map((width, at) => (isText[at] ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [toLine(columns), toLine(rule), ...cells.map(toLine)].join('\n');
}

function widest(texts: readonly string[]): number {
  return Math.max(...texts.map((text) => text.length));
}

function pad(text: string, width: number, isText: boolean): string {
  return isText ? text.padEnd(width) : text.padStart(width);
}

function toCell(value: string | number | null): string {
  if (value === null) return '';
  return typeof value === 'string' ? value : toDigits(value);
}
