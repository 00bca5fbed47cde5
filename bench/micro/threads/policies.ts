import { Line } from '../../../src/threads/line.ts';
import type { PlaceInLine } from '../../../src/threads/line.ts';
import type { Policy, Puzzle } from './simulation.ts';

/** In order of arrival; with help for the oldest where the machine allows it. */
export class OldestFirst implements Policy {
  readonly #puzzles = new Set<Puzzle>();
  add(puzzle: Puzzle): void {
    this.#puzzles.add(puzzle);
  }
  remove(puzzle: Puzzle): void {
    this.#puzzles.delete(puzzle);
  }
  next(hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null {
    return firstOf(this.#puzzles, hasRoom);
  }
}

/** A slice each, in turn. */
export class RoundRobin implements Policy {
  readonly #puzzles = new Set<Puzzle>();
  add(puzzle: Puzzle): void {
    this.#puzzles.add(puzzle);
  }
  remove(puzzle: Puzzle): void {
    this.#puzzles.delete(puzzle);
  }
  next(hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null {
    const puzzle = firstOf(this.#puzzles, hasRoom);
    if (puzzle === null) return null;
    this.#puzzles.delete(puzzle);
    this.#puzzles.add(puzzle);
    return puzzle;
  }
}

/** A first slice for whoever comes, every other one for the oldest, with help. */
export class NewcomerFirst implements Policy {
  readonly #new = new Set<Puzzle>();
  readonly #all = new Set<Puzzle>();
  #isOldestsTurn = false;
  add(puzzle: Puzzle): void {
    this.#new.add(puzzle);
    this.#all.add(puzzle);
  }
  remove(puzzle: Puzzle): void {
    this.#new.delete(puzzle);
    this.#all.delete(puzzle);
  }
  next(hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null {
    this.#isOldestsTurn = !this.#isOldestsTurn;
    const puzzle = (this.#isOldestsTurn ? firstOf(this.#new, hasRoom) : null) ?? firstOf(this.#all, hasRoom);
    if (puzzle !== null) this.#new.delete(puzzle);
    return puzzle;
  }
}

/** As the pool does it. */
export class InLine implements Policy {
  readonly #line = new Line<Puzzle>();
  readonly #places = new Map<Puzzle, PlaceInLine>();
  add(puzzle: Puzzle): void {
    this.#places.set(puzzle, this.#line.add(puzzle));
  }
  remove(puzzle: Puzzle): void {
    this.#places.get(puzzle)?.leave();
    this.#places.delete(puzzle);
  }
  next(hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null {
    return this.#line.next(hasRoom);
  }
}

function firstOf(puzzles: Iterable<Puzzle>, hasRoom: (puzzle: Puzzle) => boolean): Puzzle | null {
  for (const puzzle of puzzles) if (hasRoom(puzzle)) return puzzle;
  return null;
}
