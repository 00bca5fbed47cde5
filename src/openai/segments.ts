/**
 * The longest text handed to a tokenizer at once, in UTF-16 units. Only a run of this length
 * without a boundary is counted differently from the model's own tokenizer: each part alone.
 */
export const MAX_SEGMENT_CHARS = 512;

/**
 * The last place where both encodings certainly begin a new token, whatever follows: after a letter
 * or digit and before what cannot continue it, or before a blank that follows something else. The
 * pieces before such a place do not depend on the text after it, so they can be counted alone.
 * (An apostrophe may begin a contraction, a mark belongs to its letter, and a line break to the
 * symbols before it.)
 */
const UP_TO_LAST_BOUNDARY =
  /^[^]*(?:(?<=[\p{L}\p{N}])(?=[^\p{L}\p{M}\p{N}'])|(?<=\p{L})(?=\p{N})|(?<=\S)(?=[^\S\r\n]))/u;

/**
 * How many characters at the start of a growing text can be counted and forgotten; 0: not yet known.
 * Where the cuts fall depends on the text alone, not on how it arrived. `text` must begin where the
 * last segment ended and must not end within a surrogate pair.
 */
export function segmentLength(text: string): number {
  if (text.length <= MAX_SEGMENT_CHARS) return lastBoundary(text);
  const splitsPair = isHighSurrogate(text.charCodeAt(MAX_SEGMENT_CHARS));
  const window = text.slice(0, splitsPair ? MAX_SEGMENT_CHARS : MAX_SEGMENT_CHARS + 1);
  return lastBoundary(window) || longestPart(text);
}

/** A complete text in parts that can be counted one by one. */
export function* segmentsOf(text: string): Generator<string> {
  let rest = text;
  for (let length = segmentLength(rest); length > 0; length = segmentLength(rest)) {
    yield rest.slice(0, length);
    rest = rest.slice(length);
  }
  if (rest !== '') yield rest;
}

function lastBoundary(text: string): number {
  return UP_TO_LAST_BOUNDARY.exec(text)?.[0].length ?? 0;
}

function longestPart(text: string): number {
  return isHighSurrogate(text.charCodeAt(MAX_SEGMENT_CHARS - 1)) ? MAX_SEGMENT_CHARS - 1 : MAX_SEGMENT_CHARS;
}

export function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
