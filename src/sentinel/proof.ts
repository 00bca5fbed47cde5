import { CounterText, encodeConfig } from './counter-text.ts';
import type { ProofResult, ProofTask, ProofText } from '../threads/tasks.ts';

/** What the search needs from SHA3-512: one state per thread, reused for every try. */
export interface ProofHasher {
  /** Absorbs the bytes that all coming tries share; forgets what was absorbed before. */
  begin(prefix: Uint8Array): void;
  /** The 64 bytes for `prefix` and then `rest`; valid until the next call. */
  finish(rest: Uint8Array): Uint8Array;
}

/** What a search needs beside its task. */
export interface SearchContext {
  readonly hasher: ProofHasher;
  readonly isCancelled: () => boolean;
}

const ANSWER_PREFIX = 'gAAAAAB';
const REQUIREMENTS_PREFIX = 'gAAAAAC';
/** About 16 tries. The backend never learns the seed; it is searched all the same, as a page does. */
const REQUIREMENTS_DIFFICULTY = '0fffff';
/** A token that was not found by then does as well. */
const REQUIREMENTS_TRIES = 500;
/** Some 250 us of hashing between two looks at the cancel flag. */
const TRIES_PER_CHECK = 64;
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

/** The least of the task's counters whose hash passes, as base64; or why there is none. */
export function searchProof(task: ProofTask, context: SearchContext): ProofResult {
  const { hasher, isCancelled } = context;
  const target = toTarget(task.difficulty);
  const seed = Buffer.from(task.seed, 'utf8');
  let text: CounterText | null = null;
  for (let tries = 0; tries < task.tries; tries += 1) {
    const counter = task.from + tries;
    if (tries % TRIES_PER_CHECK === 0 && isCancelled()) return { type: 'cancelled', tries };
    if (text === null || !text.set(counter)) {
      text = new CounterText(seed, task.text, counter);
      hasher.begin(text.constant);
    }
    if (isAtOrBelow(hasher.finish(text.changing), target)) {
      return { type: 'solved', answer: text.base64(), tries: tries + 1 };
    }
  }
  return { type: 'none', tries: task.tries };
}

/** The header value for a solved challenge. */
export function encodeAnswer(base64: string): string {
  return ANSWER_PREFIX + base64;
}

/** One search from beginning to end, on the thread that asks. */
export type SearchHere = (task: ProofTask) => ProofResult;

const NO_CANCEL = new SharedArrayBuffer(4);

/** The `p` of a requirements call. Takes some 16 hashes, so it is cheaper done than handed to a thread. */
export function requirementsToken(text: ProofText, seed: string, search: SearchHere): string {
  const result = search({
    type: 'proof',
    seed,
    difficulty: REQUIREMENTS_DIFFICULTY,
    text,
    from: 0,
    tries: REQUIREMENTS_TRIES,
    cancel: NO_CANCEL,
  });
  const answer = result.type === 'solved' ? result.answer : encodeConfig(text, 0);
  return REQUIREMENTS_PREFIX + answer;
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
