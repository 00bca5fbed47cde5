import { LoosePieces } from './loose-pieces.ts';

/** Of UTF-16 units: shorter texts are never forgotten. */
const ALWAYS_KEPT = 64 * 1024;
/** What is left of longer ones, for a `truncate` that takes their end back. */
const KEPT_END = 4_096;
const PAIR = '\u{1F642}';

/**
 * The text of a message that grows by additions. Once it is long, what nobody reads again is replaced by
 * blanks: as many units and characters, in no memory to speak of as long as nobody looks at them. A reader that
 * stopped while the kernel swallowed 8 MB of its answer would otherwise hold all of them here.
 */
export class GrowingText {
  /** Stands for the beginning. */
  #blanks = '';
  /** Characters of two units in it. */
  #pairs = 0;
  #kept: string;
  #pieces: LoosePieces;
  readonly #taken: () => number;

  /** `taken`: how many units of it, from its beginning, nobody reads again. */
  constructor(text: string, taken: () => number) {
    this.#kept = text;
    this.#taken = taken;
    this.#pieces = new LoosePieces('');
    this.#pieces.grewTo(text);
  }

  /** Gives all of it. */
  grow(piece: string): string {
    this.#kept += piece;
    const isJoined = this.#pieces.grewTo(this.#kept);
    if (isJoined && this.#blanks.length + this.#kept.length > ALWAYS_KEPT) this.#forget(this.#taken());
    return this.#blanks === '' ? this.#kept : this.#blanks + this.#kept;
  }

  #forget(taken: number): void {
    const most = Math.min(taken - this.#blanks.length, this.#kept.length - KEPT_END);
    const count = isHighSurrogate(this.#kept.charCodeAt(most - 1)) ? most - 1 : most;
    if (count <= 0) return;
    this.#pairs += countPairs(this.#kept, count);
    const units = this.#blanks.length + count;
    // V8 puts these together of halves, none of which it writes out.
    this.#blanks = PAIR.repeat(this.#pairs) + ' '.repeat(units - 2 * this.#pairs);
    this.#kept = copyOf(this.#kept.slice(count));
    this.#pieces = new LoosePieces(this.#kept);
  }
}

function countPairs(text: string, end: number): number {
  let pairs = 0;
  for (let at = 0; at < end; at += 1) {
    if (isHighSurrogate(text.charCodeAt(at)) && isLowSurrogate(text.charCodeAt(at + 1))) pairs += 1;
  }
  return pairs;
}

/** A slice alone would keep the text that it was cut from. */
function copyOf(slice: string): string {
  return ` ${slice}`.slice(1);
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
