import type { Step } from '../script.ts';
import type { Passage } from './passages.ts';
import type { Scene } from './scene.ts';

/** What a turn does besides giving a plain answer. */
export interface Flow {
  /** What is shown between the question and the answer. */
  readonly before: (scene: Scene) => Iterable<Step>;
  /** What the answer says, unless the scenario knows better. */
  readonly answer: (prompt: string) => readonly Passage[];
  readonly channel?: string;
  /** The stream ends before any answer. */
  readonly endsEarly?: boolean;
  /** Half-way through, the answer is taken back. */
  readonly blocked?: boolean;
}

export function* nothingBefore(): Generator<Step> {}
