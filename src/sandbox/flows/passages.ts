import { cutIntoPieces } from '../pieces.ts';

export interface Source {
  readonly title: string;
  readonly url: string;
  readonly snippet: string;
}

/** A part of an answer: words, a source named after them, or second thoughts about the last characters. */
export type Passage = string | { readonly source: Source } | { readonly takeBack: number };

/** What is said per event. */
export function cutPassages(passages: readonly Passage[], perEvent: number | null): readonly Passage[] {
  return passages.flatMap((passage): readonly Passage[] =>
    typeof passage === 'string' ? cutIntoPieces(passage, perEvent) : [passage],
  );
}

export function isPlain(passages: readonly Passage[]): passages is readonly string[] {
  return passages.every((passage) => typeof passage === 'string');
}

/** The first half: what is said before an answer is broken off. */
export function halfOf(passages: readonly Passage[]): readonly Passage[] {
  return passages.slice(0, Math.ceil(passages.length / 2));
}
