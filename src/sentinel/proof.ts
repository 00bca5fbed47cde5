import type { ProofResult, ProofTask } from '../threads/tasks.ts';

/** What the search needs from SHA3-512: one state per thread, reused for every try. */
export interface ProofHasher {
  /** Absorbs the bytes that all coming tries share; forgets what was absorbed before. */
  begin(prefix: Uint8Array): void;
  /** The 64 bytes for `prefix` and then `rest`; valid until the next call. */
  finish(rest: Uint8Array): Uint8Array;
}

/** What a search needs beside its task. `nowMs` may start anywhere but never goes back. */
export interface SearchContext {
  readonly hasher: ProofHasher;
  readonly nowMs: () => number;
  readonly isCancelled: () => boolean;
}

const ANSWER_PREFIX = 'gAAAAAB';
const REQUIREMENTS_PREFIX = 'gAAAAAC';
/** About 16 tries; the backend never learns the seed, so nobody can check more than the form. */
const REQUIREMENTS_DIFFICULTY = '0fffff';
const REQUIREMENTS_TIMEOUT_MS = 100;
/** Some 250 us of hashing between two looks at the clock and the cancel flag. */
const TRIES_PER_CHECK = 64;
/** SHA3-512 absorbs blocks of this size; only whole ones are worth keeping between tries. */
const BLOCK_BYTES = 72;
/** The digest has no more hex digits than this to compare. */
const DIFFICULTY_PATTERN = /^[0-9a-fA-F]{1,128}$/;

/** True for a hex string that a digest can be compared with. */
export function isDifficulty(difficulty: string): boolean {
  return DIFFICULTY_PATTERN.test(difficulty);
}

/**
 * Is the challenge as hard as the limit, or harder? A difficulty stands for the first digits of the
 * digest and a digest that equals them passes, so `0f` means `0fff...`: digits that one side does not
 * have count as `f`. Both are hex strings of any length.
 */
export function isTooHard(difficulty: string, limit: string): boolean {
  const digits = Math.max(difficulty.length, limit.length);
  const widen = (hex: string): string => hex.toLowerCase().padEnd(digits, 'f');
  return widen(difficulty) <= widen(limit);
}

/** Does the digest begin with digits at or below the difficulty's? The backend's own, inclusive rule. */
export function passes(digest: Uint8Array, difficulty: string): boolean {
  return isAtOrBelow(digest, toTarget(difficulty));
}

/** The least counter from 0 whose hash passes, as base64; or why there is none. */
export function searchProof(task: ProofTask, context: SearchContext): ProofResult {
  const { hasher, nowMs, isCancelled } = context;
  const endsMs = nowMs() + task.timeoutMs;
  const target = toTarget(task.difficulty);
  const seed = Buffer.from(task.seed, 'utf8');
  let text: CounterText | null = null;
  for (let counter = 0; ; counter += 1) {
    if (counter % TRIES_PER_CHECK === 0) {
      if (isCancelled()) return { type: 'cancelled', tries: counter };
      if (nowMs() >= endsMs) return { type: 'exhausted', tries: counter };
    }
    if (text === null || !text.set(counter)) {
      text = new CounterText(seed, task.parts, counter);
      hasher.begin(text.constant);
    }
    if (isAtOrBelow(hasher.finish(text.changing), target)) {
      return { type: 'solved', answer: text.base64(), tries: counter + 1 };
    }
  }
}

/** The header value for a solved challenge. */
export function encodeAnswer(base64: string): string {
  return ANSWER_PREFIX + base64;
}

/** The `p` of a requirements call. Takes some 16 hashes, so it is cheaper done than handed to a thread. */
export function requirementsToken(parts: ProofTask['parts'], seed: string, context: SearchContext): string {
  const task: ProofTask = {
    type: 'proof',
    seed,
    difficulty: REQUIREMENTS_DIFFICULTY,
    parts,
    timeoutMs: REQUIREMENTS_TIMEOUT_MS,
    cancel: new SharedArrayBuffer(4),
  };
  const result = searchProof(task, context);
  const answer = result.type === 'solved' ? result.answer : encodeConfig(parts, 0);
  return REQUIREMENTS_PREFIX + answer;
}

/** The config with its counters filled in, as base64 of its UTF-8 bytes. */
export function encodeConfig(parts: ProofTask['parts'], counter: number): string {
  const json = parts[0] + counter + parts[1] + Math.floor(counter / 2) + parts[2];
  return Buffer.from(json, 'utf8').toString('base64');
}

interface Target {
  /** The whole bytes of the difficulty. */
  readonly bytes: Uint8Array;
  /** Its last digit, when the number of digits is odd. */
  readonly nibble: number | null;
}

function toTarget(difficulty: string): Target {
  const even = difficulty.length - (difficulty.length % 2);
  const last = difficulty.slice(even);
  return {
    bytes: Buffer.from(difficulty.slice(0, even), 'hex'),
    nibble: last === '' ? null : Number.parseInt(last, 16),
  };
}

function isAtOrBelow(digest: Uint8Array, { bytes, nibble }: Target): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const difference = (digest[at] ?? 0) - (bytes[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return nibble === null || (digest[bytes.length] ?? 0) >> 4 <= nibble;
}

/**
 * The message of one try, kept as bytes between tries:
 *
 *     seed | base64( parts[0] counter parts[1] counter>>1 parts[2] )
 *     '-- constant --''------------------ changing ----------------'
 *
 * Base64 turns three bytes into four letters and knows no more than that, so as long as both counters
 * keep their number of digits only the groups under their digits are encoded again.
 */
class CounterText {
  /** Whole hash blocks before the first digit that changes. */
  readonly constant: Uint8Array;
  /** Everything after them. */
  readonly changing: Uint8Array;
  private readonly seedBytes: number;
  private readonly message: Buffer;
  private readonly json: Buffer;
  private readonly whole: Digits;
  private readonly half: Digits;

  constructor(seed: Uint8Array, parts: ProofTask['parts'], counter: number) {
    const base64 = encodeConfig(parts, counter);
    this.seedBytes = seed.length;
    this.message = Buffer.concat([seed, Buffer.from(base64, 'latin1')]);
    this.json = Buffer.from(base64, 'base64');
    const wholeAt = Buffer.byteLength(parts[0], 'utf8');
    const wholeLength = String(counter).length;
    const halfAt = wholeAt + wholeLength + Buffer.byteLength(parts[1], 'utf8');
    this.whole = { at: wholeAt, length: wholeLength };
    this.half = { at: halfAt, length: String(Math.floor(counter / 2)).length };
    const unchanged = this.seedBytes + Math.floor(wholeAt / 3) * 4;
    const cut = unchanged - (unchanged % BLOCK_BYTES);
    this.constant = this.message.subarray(0, cut);
    this.changing = this.message.subarray(cut);
  }

  /** Writes the counter in place; false when it needs other digits than there is room for. */
  set(counter: number): boolean {
    return this.write(this.whole, counter) && this.write(this.half, Math.floor(counter / 2));
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

interface Digits {
  readonly at: number;
  readonly length: number;
}

const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');

function letter(bits: number): number {
  return LETTERS[bits & 63] ?? 0;
}
