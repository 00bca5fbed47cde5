import { toSpread, toText } from '../_util/spread.ts';
import type { Cell, Spread } from '../_util/spread.ts';
import type { Row } from '../_util/table.ts';
import { LENGTHS, costAt, growingEncoding, pacesOf } from './growing-answers.ts';
import type { Pace } from './growing-answers.ts';
import type { Cells } from './rounds.ts';
import type { Way } from './ways.ts';

type Results = ReadonlyMap<Way, Cells>;
type Table = { readonly title: string; readonly rows: readonly Row[] };

export function eventTable(results: Results): Table {
  const rows = rowsOf(results, (way) => ({
    'batched CPU µs/event': text(results, way, 'batched CPU µs'),
    'saturated CPU µs/event': text(results, way, 'saturated CPU µs'),
    '× floor': ratioText(results, way, 'saturated CPU µs', 'floor'),
    'events/s': text(results, way, 'events/s'),
    'paced CPU µs/event': text(results, way, 'paced CPU µs'),
    '× floor, paced': ratioText(results, way, 'paced CPU µs', 'floor'),
    'gap p50 ms': text(results, way, 'gap p50 ms'),
    'gap p99 ms': text(results, way, 'gap p99 ms'),
    'most streams': text(results, way, 'most streams'),
    'CPU µs/event there': text(results, way, 'CPU µs at most'),
  }));
  return { title: 'what an event costs; median (least–most)', rows };
}

export function chatTable(results: Results): Table {
  const added = (way: Way, figure: string): string =>
    way.role === 'direct' ? text(results, way, figure) : toText(toSpread(beyondDirect(results, way, figure)));
  const rows = rowsOf(results, (way) => ({
    '1 at once: p50 ms': added(way, '1 at once p50 ms'),
    'p99 ms': added(way, '1 at once p99 ms'),
    '64 at once: p50 ms': added(way, '64 at once p50 ms'),
    '64: p99 ms': added(way, '64 at once p99 ms'),
    'short chats/s': text(results, way, 'chats/s'),
    'CPU µs/chat': text(results, way, 'CPU µs/chat'),
  }));
  return { title: 'time to the first text, beyond direct; short answers at 64 at once', rows };
}

export function memoryTable(results: Results): Table {
  const rows = rowsOf(results, (way) => ({
    'idle MB': text(results, way, 'idle MB'),
    'steady MB': text(results, way, 'steady MB'),
    'after MB': text(results, way, 'after MB'),
    'load CPU µs/event, saturated': text(results, way, 'saturated load µs'),
    'load CPU µs/event, paced': text(results, way, 'paced load µs'),
  }));
  return { title: 'memory of the proxy; what upstream and generator cost on their own core', rows };
}

/** Why cells have failed, all those with the same reason together. */
export function failureTable(results: Results): Table {
  const groups = new Map<string, { way: string; why: string; figures: Set<string>; cells: number }>();
  for (const [{ name: way }, figures] of results) {
    for (const [figure, cells] of Object.entries(figures)) {
      for (const why of cells.filter((cell) => typeof cell === 'string')) {
        const group = groups.get(way + why) ?? { way, why, figures: new Set(), cells: 0 };
        groups.set(way + why, group);
        group.figures.add(figure);
        group.cells += 1;
      }
    }
  }
  const rows = [...groups.values()].map(({ way, why, figures, cells }) => {
    return { way, cells, why, of: figures.size > 4 ? `${figures.size} figures` : [...figures].join(', ') };
  });
  return { title: rows.length === 0 ? 'no cell has failed' : 'cells that failed', rows };
}

/** With what the longest answers cost more than the shortest, or the other way round. */
export function growthTable(results: Results): Table {
  const rows = growths(results).map(({ name, pace, points, growth, added }) => {
    const columns = points.map(({ deltas, spread }) => [`${deltas} tokens`, toText(spread)]);
    return {
      way: name,
      events: EVENTS[pace],
      ...Object.fromEntries(columns),
      'most ÷ least': toText(toSpread(growth)),
      'longest − shortest': toText(toSpread(added)),
    };
  });
  return { title: 'CPU µs/event as answers grow', rows };
}

const EVENTS: Readonly<Record<Pace, string>> = {
  paced: 'the last 25, one by one',
  saturated: 'all, saturated',
};

/** How the cost of an event grows with its answer. */
export interface Growth {
  readonly way: Way;
  readonly name: string;
  readonly pace: Pace;
  readonly points: readonly { readonly deltas: number; readonly spread: Spread }[];
  /** Of each run: the greatest cost to the least. */
  readonly growth: readonly Cell[];
  /** Of each run: what an event costs more at the greatest length than at the least, in microseconds. */
  readonly added: readonly Cell[];
}

export function growths(results: Results): readonly Growth[] {
  return [...results.keys()].flatMap((way) => {
    const encoding = growingEncoding(way);
    if (encoding === null) return [];
    const name = way.name.endsWith(encoding) ? way.name : `${way.name}, ${encoding}`;
    return pacesOf(encoding).map((pace) => {
      const cells = LENGTHS.map((deltas) => cellsOf(results, way, costAt(pace, deltas)));
      const points = LENGTHS.map((deltas, at) => ({ deltas, spread: toSpread(cells[at] ?? []) }));
      const growth = ofEachRun(cells, (costs) => Math.max(...costs) / Math.min(...costs));
      const added = ofEachRun(cells, (costs) => (costs.at(-1) ?? 0) - (costs[0] ?? 0));
      return { way, name, pace, points, growth, added };
    });
  });
}

/** `cells` by length and run; what is missing in a run stands for all of it. */
function ofEachRun(
  cells: readonly (readonly Cell[])[],
  toCell: (costs: readonly number[]) => number,
): readonly Cell[] {
  return (cells[0] ?? []).map((_, run) => {
    const ofRun = cells.map((lengths) => lengths[run] ?? 'not measured');
    const costs = ofRun.filter((cell) => typeof cell === 'number');
    const failure = ofRun.find((cell) => typeof cell === 'string');
    return failure ?? toCell(costs);
  });
}

/** Of each run: how often the figure of one way goes into that of another, which may have another name there. */
export function ratios(
  results: Results,
  way: Way,
  figure: string,
  base: Way | undefined,
  baseFigure = figure,
): Cell[] {
  const theirs = cellsOf(results, base, baseFigure);
  return pairs(cellsOf(results, way, figure), theirs, (one, other) => one / other);
}

export function beyondDirect(results: Results, way: Way, figure: string): Cell[] {
  const direct = cellsOf(results, withRole(results, 'direct'), figure);
  return pairs(cellsOf(results, way, figure), direct, (one, other) => one - other);
}

export function withRole(results: Results, role: Way['role']): Way | undefined {
  return [...results.keys()].find((way) => way.role === role);
}

export function cellsOf(results: Results, way: Way | undefined, figure: string): readonly Cell[] {
  return (way && results.get(way)?.[figure]) ?? [];
}

function pairs(
  cells: readonly Cell[],
  others: readonly Cell[],
  toCell: (one: number, other: number) => number,
): Cell[] {
  return cells.map((cell, run) => {
    const other = others[run] ?? 'nothing to compare with';
    if (typeof cell === 'string') return cell;
    return typeof other === 'string' ? other : toCell(cell, other);
  });
}

function rowsOf(results: Results, toColumns: (way: Way) => Row): readonly Row[] {
  const marks: Partial<Record<Way['role'], string>> = {
    direct: ' (upstream itself)',
    floor: ' (floor)',
    shape: ' (shape)',
  };
  return [...results.keys()].map((way) => ({ way: way.name + (marks[way.role] ?? ''), ...toColumns(way) }));
}

/** Empty where nobody meant to measure it. */
function text(results: Results, way: Way, figure: string): string {
  const cells = cellsOf(results, way, figure);
  return cells.length === 0 ? '' : toText(toSpread(cells));
}

function ratioText(results: Results, way: Way, figure: string, role: Way['role']): string {
  const cells = ratios(results, way, figure, withRole(results, role));
  return cells.length === 0 ? '' : toText(toSpread(cells));
}
