import { toSpread, toText } from '../_util/spread.ts';
import type { Cell } from '../_util/spread.ts';
import type { Row } from '../_util/table.ts';
import type { Pace } from './growing-answers.ts';
import { beyondDirect, growths, ratios, withRole } from './stream-tables.ts';
import type { Cells } from './rounds.ts';
import type { Way } from './ways.ts';

type Results = ReadonlyMap<Way, Cells>;

/** What the program holds itself to, by the median of the runs. */
export function barTable(results: Results): { readonly title: string; readonly rows: readonly Row[] } {
  const ours = (encoding: string): Way | undefined =>
    [...results.keys()].find((way) => way.role === 'ours' && way.encoding === encoding);
  const portkey = [...results.keys()].find(({ name }) => name.startsWith('Portkey'));
  const [v1, legacy] = [ours('v1'), ours('legacy')];
  const against = (way: Way | undefined, figure: string, base: Way | undefined): Cell[] =>
    way === undefined ? [] : ratios(results, way, figure, base);
  const growth = (pace: Pace): readonly Cell[] =>
    growths(results).find((one) => one.way === legacy && one.pace === pace)?.growth ?? [];
  const floor = withRole(results, 'floor');
  const original = withRole(results, 'original');
  const rows = [
    atMost(2, 'v1, saturated: CPU per event ÷ nginx', against(v1, 'saturated CPU µs', floor)),
    atMost(2, 'v1, batched: CPU per event ÷ nginx', against(v1, 'batched CPU µs', floor)),
    atMost(2, 'v1, paced: CPU per event ÷ nginx', against(v1, 'paced CPU µs', floor)),
    atMost(2, 'v1, paced, most streams: CPU per event ÷ nginx', against(v1, 'CPU µs at most', floor)),
    atMost(1.2, 'legacy, paced: CPU per event, most ÷ least over all lengths', growth('paced')),
    atMost(
      1 / 4,
      'legacy, saturated: CPU per event ÷ original',
      against(legacy, 'saturated CPU µs', original),
    ),
    atMost(1 / 4, 'legacy, paced: CPU per event ÷ original', against(legacy, 'paced CPU µs', original)),
    atMost(
      1,
      'v1: added time to the first text, 1 at once, p99 ms',
      v1 ? beyondDirect(results, v1, '1 at once p99 ms') : [],
    ),
    atLeast(5, 'v1: short chats/s ÷ Portkey', against(v1, 'chats/s', portkey)),
  ];
  return { title: 'bars', rows };
}

function atMost(most: number, name: string, cells: readonly Cell[]): Row {
  return bar(name, `≤ ${most}`, cells, (median) => median <= most);
}

function atLeast(least: number, name: string, cells: readonly Cell[]): Row {
  return bar(name, `≥ ${least}`, cells, (median) => median >= least);
}

function bar(name: string, wanted: string, cells: readonly Cell[], isHeld: (median: number) => boolean): Row {
  const spread = toSpread(cells);
  const held = spread.median === null ? 'unknown' : isHeld(spread.median) ? 'yes' : 'no';
  return { bar: name, wanted, measured: toText(spread), held };
}
