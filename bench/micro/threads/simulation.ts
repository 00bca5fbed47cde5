import type { Queued } from '../../../src/threads/line.ts';

/** A way to choose who gets the next slice. */
export interface Policy {
  add(puzzle: Puzzle): void;
  remove(puzzle: Puzzle): void;
  next(hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null;
}

export interface Puzzle extends Queued {
  readonly arrivesMs: number;
  /** Thread time until a counter passes, known to nobody beforehand. */
  readonly workMs: number;
  readonly isEasy: boolean;
  leftMs: number;
  slices: number;
}

export interface Machine {
  readonly threads: number;
  readonly sliceMs: number;
  /** For the way to a thread and back. */
  readonly hopMs: number;
  readonly triesPerMs: number;
  /** May several threads be at one puzzle? */
  readonly helps: boolean;
}

export interface Completion {
  readonly puzzle: Puzzle;
  readonly tookMs: number;
}

interface Slice {
  readonly puzzle: Puzzle;
  readonly endsMs: number;
  readonly workMs: number;
}

/**
 * Plays arrivals against threads on a clock of its own. Which of a puzzle's counters passes is chance,
 * so threads at the same puzzle use up one stock of work.
 */
export function simulate(
  arrivals: readonly Puzzle[],
  policy: Policy,
  machine: Machine,
): readonly Completion[] {
  const { threads, sliceMs, hopMs, triesPerMs, helps } = machine;
  const done: Completion[] = [];
  const busy = new Set<Slice>();
  const queue = arrivals.map((puzzle) => ({ ...puzzle, leftMs: puzzle.workMs, slices: 0 }));
  let nowMs = 0;
  let arrived = 0;
  const hasRoom = ({ slices, expectedTries }: Puzzle): boolean =>
    slices === 0 || (helps && slices * sliceMs * triesPerMs < expectedTries);
  const fill = (): void => {
    while (busy.size < threads) {
      const puzzle = policy.next(hasRoom);
      if (puzzle === null) return;
      puzzle.slices += 1;
      const workMs = Math.min(sliceMs, Math.max(0, puzzle.leftMs));
      puzzle.leftMs -= workMs;
      busy.add({ puzzle, workMs, endsMs: nowMs + hopMs + workMs });
    }
  };
  const end = (slice: Slice): void => {
    const { puzzle } = slice;
    busy.delete(slice);
    puzzle.slices -= 1;
    if (puzzle.leftMs > 0 || slice.workMs === sliceMs) return;
    policy.remove(puzzle);
    if (puzzle.leftMs < 0) return;
    done.push({ puzzle, tookMs: nowMs - puzzle.arrivesMs });
    puzzle.leftMs = -1;
  };
  while (done.length < queue.length) {
    const arriving = queue[arrived];
    const ending = [...busy].reduce<Slice | null>(
      (earliest, slice) => (earliest === null || slice.endsMs < earliest.endsMs ? slice : earliest),
      null,
    );
    if (arriving !== undefined && arriving.arrivesMs <= (ending?.endsMs ?? Infinity)) {
      nowMs = arriving.arrivesMs;
      arrived += 1;
      policy.add(arriving);
    } else if (ending !== null) {
      nowMs = ending.endsMs;
      end(ending);
    }
    fill();
  }
  return done;
}
