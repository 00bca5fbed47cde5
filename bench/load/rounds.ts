import type { Cell } from '../_util/spread.ts';
import type { Bed } from './bed.ts';
import type { Stand } from './stand.ts';
import type { Measure } from './trials.ts';
import type { Way } from './ways.ts';

/** What is measured of a way. */
export interface Programme {
  readonly way: Way;
  readonly measures: readonly Measure[];
  /** The first ones; figures of one run are held against each other. */
  readonly mostRuns: number;
}

/** The figures of a way, one cell for each run from the first on. */
export type Cells = Readonly<Record<string, readonly Cell[]>>;

/** All ways in turns, each started anew in each run that it takes part in. */
export async function holdRuns(
  stand: Stand,
  programmes: readonly Programme[],
  runs: number,
  tell: (progress: string) => void,
): Promise<ReadonlyMap<Way, Cells>> {
  const all = new Map(programmes.map(({ way }) => [way, {} as Record<string, Cell[]>]));
  for (let run = 1; run <= runs; run += 1) {
    for (const { way, measures, mostRuns } of programmes) {
      if (run > mostRuns) continue;
      tell(`run ${run} of ${runs}: ${way.name}`);
      const figures = await runOnce(stand, way, measures);
      for (const [name, cell] of Object.entries(figures)) (all.get(way)![name] ??= []).push(cell);
    }
  }
  return all;
}

async function runOnce(stand: Stand, way: Way, measures: readonly Measure[]): Promise<Record<string, Cell>> {
  try {
    const running = await way.start(stand.origin, stand.proxyCore);
    try {
      return await measureAll({ stand, way, running }, measures);
    } finally {
      await running.stop();
    }
  } catch (thrown) {
    return Object.assign({}, ...measures.map((measure) => allFailed(measure, thrown)));
  }
}

async function measureAll(bed: Bed, measures: readonly Measure[]): Promise<Record<string, Cell>> {
  const figures: Record<string, Cell> = {};
  for (const measure of measures) {
    Object.assign(figures, await measure.run(bed).catch((thrown: unknown) => allFailed(measure, thrown)));
  }
  return figures;
}

function allFailed({ figures }: Measure, thrown: unknown): Record<string, Cell> {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return Object.fromEntries(figures.map((name) => [name, why]));
}
