import type { ProofText } from '../threads/tasks.ts';

/** SHA3-512 absorbs blocks of this size; only whole ones are worth keeping between tries. */
const BLOCK_BYTES = 72;

/** The config with its counters filled in, as base64 of its UTF-8 bytes. */
export function encodeConfig(text: ProofText, counter: number): string {
  const json = fillIn(text, counter);
  return Buffer.from(json, 'utf8').toString('base64');
}

/**
 * The message of one try, kept as bytes between tries:
 *
 *     seed | base64( parts[0] counter parts[1] counter>>1 parts[2] )      search `nonce`
 *     seed | base64( parts[0] counter parts[1] )                          search `tail`
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
  private readonly whole: Digits;
  private readonly half: Digits | null;

  constructor(seed: Uint8Array, text: ProofText, counter: number) {
    const base64 = encodeConfig(text, counter);
    this.seedBytes = seed.length;
    this.message = Buffer.concat([seed, Buffer.from(base64, 'latin1')]);
    this.json = Buffer.from(base64, 'base64');
    const wholeAt = Buffer.byteLength(text.parts[0], 'utf8');
    const wholeLength = String(counter).length;
    const halfAt = wholeAt + wholeLength + Buffer.byteLength(text.parts[1], 'utf8');
    this.whole = { at: wholeAt, length: wholeLength };
    const halfLength = String(Math.floor(counter / 2)).length;
    this.half = text.search === 'tail' ? null : { at: halfAt, length: halfLength };
    const unchanged = this.seedBytes + Math.floor(wholeAt / 3) * 4;
    const cut = unchanged - (unchanged % BLOCK_BYTES);
    this.constant = this.message.subarray(0, cut);
    this.changing = this.message.subarray(cut);
  }

  /** Writes the counter in place; false when it needs other digits than there is room for. */
  set(counter: number): boolean {
    if (!this.write(this.whole, counter)) return false;
    return this.half === null || this.write(this.half, Math.floor(counter / 2));
  }

  base64(): string {
    return this.message.toString('latin1', this.seedBytes);
  }

  private write(digits: Digits, value: number): boolean {
    let rest = value;
    for (let at = digits.at + digits.length - 1; at >= digits.at; at -= 1) {
      this.json[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.encode(digits);
    return rest === 0;
  }

  private encode({ at, length }: Digits): void {
    const first = Math.floor(at / 3);
    const last = Math.floor((at + length - 1) / 3);
    for (let group = first; group <= last; group += 1) this.encodeGroup(group);
  }

  private encodeGroup(group: number): void {
    const { json, message } = this;
    const from = group * 3;
    const to = this.seedBytes + group * 4;
    const bits = ((json[from] ?? 0) << 16) | ((json[from + 1] ?? 0) << 8) | (json[from + 2] ?? 0);
    message[to] = letter(bits >> 18);
    message[to + 1] = letter(bits >> 12);
    message[to + 2] = letter(bits >> 6);
    message[to + 3] = letter(bits);
  }
}

function fillIn(text: ProofText, counter: number): string {
  if (text.search === 'tail') return text.parts[0] + counter + text.parts[1];
  return text.parts[0] + counter + text.parts[1] + Math.floor(counter / 2) + text.parts[2];
}

interface Digits {
  readonly at: number;
  readonly length: number;
}

const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');

function letter(bits: number): number {
  return LETTERS[bits & 63] ?? 0;
}
