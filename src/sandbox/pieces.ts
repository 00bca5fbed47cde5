/** About what a model says at a time: a word with its space, a few ideographs, or one other character. */
const PIECE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]{1,2}| ?[\p{L}\p{M}\p{N}]{1,8}|\s|[^]/gu;

/** Beyond so many events a legacy stream, which repeats its whole text in each, gets out of hand. */
const MAX_EVENTS = 2_000;

/**
 * Cuts an answer into what is said per event; joined, the pieces are the text. `perEvent` null:
 * one token, or as many as keep the number of events bounded.
 */
export function cutIntoPieces(text: string, perEvent: number | null): readonly string[] {
  const tokens = text.match(PIECE) ?? [];
  const size = perEvent ?? Math.ceil(tokens.length / MAX_EVENTS);
  if (size <= 1) return tokens;
  const pieces: string[] = [];
  for (let at = 0; at < tokens.length; at += size) pieces.push(tokens.slice(at, at + size).join(''));
  return pieces;
}
