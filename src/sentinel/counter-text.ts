import type { ProofText } from '../threads/tasks.ts';

/** SHA3-512 absorbs blocks of this size; only whole ones are worth keeping between tries. */
export const BLOCK_BYTES = 72;

/** A number in the config's JSON, and how it is written. */
export interface Digits {
  /** The place of its first digit, in bytes. */
  readonly at: number;
  readonly length: number;
  readonly radix: 10 | 16;
}

/** The config's JSON for one counter, and where that counter stands in it; counter>>1 second. */
export interface FilledText {
  readonly json: Buffer;
  readonly numbers: readonly [Digits] | readonly [Digits, Digits];
}

type TailText = ProofText & { readonly search: 'tail' };

/** What a `tail` text counts from unless it says otherwise. */
const FIRST = '00000000';

/** The config with its counters filled in, as base64 of its UTF-8 bytes. */
export function encodeConfig(text: ProofText, counter: number): string {
  return Buffer.from(toJson(text, counter)).toString('base64');
}

function toJson(text: ProofText, counter: number): string {
  const { parts } = text;
  if (text.search === 'tail') return parts[0] + hexDigits(text, counter) + parts[1];
  return parts[0] + String(counter) + text.parts[1] + String(Math.floor(counter / 2)) + text.parts[2];
}

export function fillIn(text: ProofText, counter: number): FilledText {
  const json = Buffer.from(toJson(text, counter));
  const at = Buffer.byteLength(text.parts[0]);
  if (text.search === 'tail') {
    return { json, numbers: [{ at, length: (text.first ?? FIRST).length, radix: 16 }] };
  }
  const { length } = String(counter);
  const half = String(Math.floor(counter / 2));
  const halfAt = at + length + Buffer.byteLength(text.parts[1]);
  return {
    json,
    numbers: [
      { at, length, radix: 10 },
      { at: halfAt, length: half.length, radix: 10 },
    ],
  };
}

/** How many counters from this one on only count up in the digits that it has. */
export function countersAlike(text: ProofText, counter: number): number {
  if (text.search === 'tail') return spanOf(text) - valueOf(text, counter);
  const half = Math.floor(counter / 2);
  return Math.min(10 ** String(counter).length, 2 * 10 ** String(half).length) - counter;
}

/**
 * The message of one try, kept as bytes between tries:
 *
 *     seed | base64( parts[0] counter parts[1] counter>>1 parts[2] )      search `nonce`
 *     seed | base64( parts[0] digits parts[1] )                           search `tail`
 *     '-- constant --''------------------ changing ----------------'
 *
 * Base64 turns three bytes into four letters and knows no more than that, so as long as both counters
 * keep their number of digits only the groups under their digits are encoded again.
 */
export class CounterText {
  /** Whole hash blocks before the first digit that changes. */
  readonly constant: Uint8Array;
  /** Everything after them. */
  readonly changing: Uint8Array;
  private readonly seedBytes: number;
  private readonly message: Buffer;
  private readonly json: Buffer;
  private readonly numbers: FilledText['numbers'];
  private readonly text: ProofText;
  /** The first counter that takes other digits than there is room for. */
  private readonly end: number;

  constructor(seed: Uint8Array, text: ProofText, counter: number) {
    const { json, numbers } = fillIn(text, counter);
    this.text = text;
    this.end = counter + countersAlike(text, counter);
    this.seedBytes = seed.length;
    this.message = Buffer.concat([seed, Buffer.from(json.toString('base64'), 'latin1')]);
    this.json = json;
    this.numbers = numbers;
    const unchanged = this.seedBytes + Math.floor(numbers[0].at / 3) * 4;
    const cut = unchanged - (unchanged % BLOCK_BYTES);
    this.constant = this.message.subarray(0, cut);
    this.changing = this.message.subarray(cut);
  }

  /** Writes a later counter in place; false when it needs other digits than there is room for. */
  set(counter: number): boolean {
    if (counter >= this.end) return false;
    const [whole, half] = this.numbers;
    this.write(whole, this.text.search === 'tail' ? valueOf(this.text, counter) : counter);
    if (half !== undefined) this.write(half, Math.floor(counter / 2));
    return true;
  }

  base64(): string {
    return this.message.toString('latin1', this.seedBytes);
  }

  private write({ at: first, length, radix }: Digits, value: number): void {
    let rest = value;
    for (let at = first + length - 1; at >= first; at -= 1) {
      this.json[at] = DIGITS[rest % radix] ?? 0;
      rest = Math.floor(rest / radix);
    }
    const last = Math.floor((first + length - 1) / 3);
    for (let group = Math.floor(first / 3); group <= last; group += 1) this.encodeGroup(group);
  }

  private encodeGroup(group: number): void {
    const { json, message } = this;
    const from = group * 3;
    const to = this.seedBytes + group * 4;
    const bits = ((json[from] ?? 0) << 16) | ((json[from + 1] ?? 0) << 8) | (json[from + 2] ?? 0);
    message[to] = letter(bits >> 18);
    message[to + 1] = letter(bits >> 12);
    message[to + 2] = from + 1 < json.length ? letter(bits >> 6) : EQUALS;
    message[to + 3] = from + 2 < json.length ? letter(bits) : EQUALS;
  }
}

function hexDigits(text: TailText, counter: number): string {
  return valueOf(text, counter)
    .toString(16)
    .padStart((text.first ?? FIRST).length, '0');
}

function valueOf(text: TailText, counter: number): number {
  return (Number.parseInt(text.first ?? FIRST, 16) + counter) % spanOf(text);
}

function spanOf({ first = FIRST }: TailText): number {
  return 16 ** first.length;
}

const DIGITS = Buffer.from('0123456789abcdef', 'latin1');
const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const EQUALS = 0x3d;

function letter(bits: number): number {
  return LETTERS[bits & 63] ?? 0;
}
