import { answerDeltas } from '../_util/answer.ts';
import type { Dialect } from './protocol.ts';

/**
 * The answer that streams should carry, prepared so that what is right is seen to be right without parsing:
 * bytes are held as latin1 strings, a character each.
 */
export class ExpectedAnswer {
  readonly text: string;
  readonly deltas: number;
  /** By delta: how long the text is when it has come. */
  readonly #borders: readonly number[];
  /** By length of the text: how many deltas have come whole. */
  readonly #deltasAt: Int32Array;
  /** By delta, as JSON, with its quotes. */
  readonly #escaped: readonly string[];
  /** The whole text as JSON with its quotes, and how far it goes at the end of each delta. */
  readonly #whole: string;
  readonly #wholeEnds: readonly number[];

  constructor(deltas: number) {
    const texts = answerDeltas(deltas);
    this.deltas = deltas;
    this.text = texts.join('');
    this.#borders = runningSum(texts.map((text) => text.length));
    this.#deltasAt = countAt(this.#borders, this.text.length);
    this.#escaped = texts.map(toJsonBytes);
    this.#whole = `"${this.#escaped.map((json) => json.slice(1, -1)).join('')}"`;
    this.#wholeEnds = runningSum(this.#escaped.map((json) => json.length - 2)).map((end) => end + 1);
  }

  deltasAt(length: number): number {
    return this.#deltasAt[length] ?? 0;
  }

  lengthAt(deltas: number): number {
    return this.#borders[deltas - 1] ?? 0;
  }

  /** Whether the JSON string at this place is the text that makes it one delta more than `deltas`. */
  isNext(dialect: Dialect, bytes: string, at: number, deltas: number): boolean {
    if (dialect !== 'legacy') return bytes.startsWith(this.#escaped[deltas] ?? '\0', at);
    const end = this.#wholeEnds[deltas] ?? 0;
    return bytes[at + end] === '"' && bytes.startsWith(this.#whole.slice(0, end), at);
  }
}

function toJsonBytes(text: string): string {
  return Buffer.from(JSON.stringify(text)).toString('latin1');
}

function runningSum(lengths: readonly number[]): number[] {
  let sum = 0;
  return lengths.map((length) => (sum += length));
}

function countAt(borders: readonly number[], length: number): Int32Array {
  const counts = new Int32Array(length + 1);
  for (const border of borders) counts[border] = 1;
  for (let at = 1; at <= length; at += 1) counts[at] = (counts[at] ?? 0) + (counts[at - 1] ?? 0);
  return counts;
}
