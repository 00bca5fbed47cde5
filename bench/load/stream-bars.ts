import { toSpread, toText } from '../_util/spread.ts';
import type { Cell, Spread } from '../_util/spread.ts';
import type { Row } from '../_util/table.ts';
import { beyondDirect, growths, ratios, withRole } from './stream-tables.ts';
import type { Growth } from './stream-tables.ts';
import type { Cells } from './rounds.ts';
import { inLegacy } from './trials.ts';
import type { Way } from './ways.ts';

type Results = ReadonlyMap<Way, Cells>;

/** Who is held against the bars. */
interface Subject {
  readonly v1: Way | undefined;
  readonly legacy: Way | undefined;
  /** How its figures of the older encoding are called. */
  readonly toLegacy: (figure: string) => string;
}

type Measure = (subject: Subject) => readonly Cell[];

interface Bar {
  readonly name: string;
  readonly wanted: string;
  readonly measure: Measure;
  /** Null: it is only told. */
  readonly isHeld: ((median: number) => boolean) | null;
}

/**
 * What the program holds itself to, by the median of the runs; and what the least of its shape comes to in
 * the same runs: a bar that it does not hold, no program of that shape can.
 */
export function barTable(results: Results): { readonly title: string; readonly rows: readonly Row[] } {
  const ours = toOurs(results);
  const shape = toShape(results);
  const rows = bars(results).map((bar) => {
    const measured = toSpread(bar.measure(ours));
    const least = toSpread(bar.measure(shape));
    return {
      bar: bar.name,
      wanted: bar.wanted,
      measured: toText(measured),
      held: toVerdict(bar, measured),
      'bare prototype': toText(least),
      'held by it': toVerdict(bar, least),
    };
  });
  return { title: 'bars', rows };
}

function toOurs(results: Results): Subject {
  const find = (encoding: string): Way | undefined =>
    [...results.keys()].find((way) => way.role === 'ours' && way.encoding === encoding);
  return { v1: find('v1'), legacy: find('legacy'), toLegacy: (figure) => figure };
}

function toShape(results: Results): Subject {
  const shape = withRole(results, 'shape');
  return { v1: shape, legacy: shape, toLegacy: inLegacy };
}

function bars(results: Results): readonly Bar[] {
  const floor = withRole(results, 'floor');
  const original = withRole(results, 'original');
  const portkey = [...results.keys()].find(({ name }) => name.startsWith('Portkey'));
  const v1 = (figure: string, base: Way | undefined): Measure => {
    return (subject) => (subject.v1 ? ratios(results, subject.v1, figure, base) : []);
  };
  const legacy = (figure: string): Measure => {
    return ({ legacy: way, toLegacy }) =>
      way ? ratios(results, way, toLegacy(figure), original, figure) : [];
  };
  const growing = (pick: (growth: Growth) => readonly Cell[]): Measure => {
    const paced = growths(results).filter(({ pace }) => pace === 'paced');
    return (subject) => paced.filter(({ way }) => way === subject.legacy).flatMap(pick);
  };
  const added: Measure = (subject) =>
    subject.v1 ? beyondDirect(results, subject.v1, '1 at once p99 ms') : [];
  const oneCall: Measure = (subject) => {
    const way = subject.v1?.role === 'ours' ? withRole(results, 'one call') : undefined;
    return way ? ratios(results, way, 'chats/s', portkey) : [];
  };
  return [
    atMost(2, 'v1, saturated: CPU per event ÷ nginx', v1('saturated CPU µs', floor)),
    atMost(2, 'v1, batched: CPU per event ÷ nginx', v1('batched CPU µs', floor)),
    atMost(2, 'v1, paced: CPU per event ÷ nginx', v1('paced CPU µs', floor)),
    atMost(2, 'v1, paced, most streams: CPU per event ÷ nginx', v1('CPU µs at most', floor)),
    atMost(
      1.2,
      'legacy, paced: CPU per event, most ÷ least over all lengths',
      growing(({ growth }) => growth),
    ),
    told(
      'legacy, paced: CPU µs per event, longest answers − shortest',
      growing((growth) => growth.added),
    ),
    atMost(1 / 4, 'legacy, saturated: CPU per event ÷ original', legacy('saturated CPU µs')),
    atMost(1 / 4, 'legacy, paced: CPU per event ÷ original', legacy('paced CPU µs')),
    atMost(1, 'v1: added time to the first text, 1 at once, p99 ms', added),
    atLeast(5, 'v1: short chats/s ÷ Portkey', v1('chats/s', portkey)),
    told('v1, CONVERSATION_ONLY, one call per chat as Portkey: short chats/s ÷ Portkey', oneCall),
  ];
}

function atMost(most: number, name: string, measure: Measure): Bar {
  return { name, wanted: `≤ ${most}`, measure, isHeld: (median) => median <= most };
}

function atLeast(least: number, name: string, measure: Measure): Bar {
  return { name, wanted: `≥ ${least}`, measure, isHeld: (median) => median >= least };
}

function told(name: string, measure: Measure): Bar {
  return { name, wanted: '', measure, isHeld: null };
}

function toVerdict({ isHeld }: Bar, { median }: Spread): string {
  if (isHeld === null) return '';
  if (median === null) return 'unknown';
  return isHeld(median) ? 'yes' : 'no';
}
