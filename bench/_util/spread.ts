/** One measurement, or why there is none. */
export type Cell = number | string;

/** What several runs of one measurement come to. */
export type Spread =
  | { readonly median: number; readonly least: number; readonly most: number; readonly failed: string | null }
  | { readonly median: null; readonly failed: string };

/** Failed runs stay visible beside the others. */
export function toSpread(cells: readonly Cell[]): Spread {
  const sorted = cells.filter((cell) => typeof cell === 'number').toSorted((a, b) => a - b);
  const failures = cells.filter((cell) => typeof cell === 'string');
  const failed = failures.length === 0 ? null : `${failures.length} of ${cells.length} failed`;
  const [least] = sorted;
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) return { median: null, failed: failed ?? 'not measured' };
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
  return { median, least, most, failed };
}

/** As `median (least–most)`. */
export function toText(spread: Spread): string {
  if (spread.median === null) return spread.failed;
  const { median, least, most, failed } = spread;
  const range = least === most ? '' : ` (${toDigits(least)}–${toDigits(most)})`;
  return `${toDigits(median)}${range}${failed === null ? '' : `; ${failed}`}`;
}

/** Three digits say all that a bench can know. */
export function toDigits(value: number): string {
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return digits >= 2 ? String(Math.round(value)) : value.toFixed(Math.min(3, 2 - digits));
}
