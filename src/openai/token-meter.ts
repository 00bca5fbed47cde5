import { isHighSurrogate, segmentLength } from './segments.ts';
import type { Tokenizer } from './tokenizer.ts';

/** No UTF-16 unit takes more bytes in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;
/** Far from the limit, text is counted in batches of this length: a third of the cost per delta. */
const BATCH_CHARS = 256;

/**
 * Counts the tokens of a growing text and ends it at a limit, exactly where the tokens of the whole
 * text would end it, cut down to whole characters. Text is let through before its tokens are known:
 * each token holds at least one byte, so as many bytes as tokens are left are within the limit.
 *
 *     | settled: counted and gone | tail: not yet countable          |
 *     |                           | #released already |  held back   |
 */
export class TokenMeter {
  readonly #tokenizer: Tokenizer;
  readonly #limit: number;
  #tail = '';
  /** How much of the tail's start was let through, in UTF-16 units. */
  #released = 0;
  #tokens = 0;

  /** `limit` in tokens, at least 1; Infinity only counts. */
  constructor(tokenizer: Tokenizer, limit: number) {
    this.#tokenizer = tokenizer;
    this.#limit = limit;
  }

  /** Of the text let through; final once `reached` or after `end`, until then without the tail. */
  get tokens(): number {
    return this.#tokens;
  }

  get reached(): boolean {
    return this.#tokens >= this.#limit;
  }

  /** Takes more text, which must not end within a surrogate pair; gives what may leave now. */
  push(text: string): string {
    if (this.reached) return '';
    this.#tail += text;
    if (this.#tail.length < BATCH_CHARS && this.#isFarFromLimit()) return this.#release(this.#tail.length);
    let out = '';
    for (let length = segmentLength(this.#tail); length > 0; length = segmentLength(this.#tail)) {
      out += this.#settle(length);
      if (this.reached) return out;
    }
    return out + this.#releaseCertain();
  }

  /** The text is complete; gives the rest of it. */
  end(): string {
    return this.reached || this.#tail === '' ? '' : this.#settle(this.#tail.length);
  }

  /** Counts the first `length` characters of the tail and drops them from it. */
  #settle(length: number): string {
    const segment = this.#tail.slice(0, length);
    const released = this.#released;
    this.#tail = this.#tail.slice(length);
    this.#released = Math.max(0, released - length);
    const total = this.#tokens + this.#tokenizer.count(segment);
    if (total < this.#limit) {
      this.#tokens = total;
      return segment.slice(released);
    }
    const end = this.#limitIn(segment);
    this.#tokens = this.#limit;
    this.#tail = '';
    return segment.slice(released, end);
  }

  /** Where the limit falls in a segment that reaches it. */
  #limitIn(segment: string): number {
    const sizes = this.#tokenizer.tokenSizes(segment).slice(0, this.#limit - this.#tokens);
    return charsWithin(
      segment,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }

  #releaseCertain(): string {
    const room = this.#limit - this.#tokens;
    return this.#release(this.#isFarFromLimit() ? this.#tail.length : charsWithin(this.#tail, room));
  }

  /** The tail could not reach the limit if each of its bytes were a token. */
  #isFarFromLimit(): boolean {
    return this.#tail.length * MAX_BYTES_PER_CHAR < this.#limit - this.#tokens;
  }

  /** Lets the tail through up to `end`. */
  #release(end: number): string {
    const out = this.#tail.slice(this.#released, end);
    this.#released = Math.max(this.#released, end);
    return out;
  }
}

/** How many UTF-16 units from the start, in whole characters, take at most `maxBytes` in UTF-8. */
function charsWithin(text: string, maxBytes: number): number {
  let bytes = 0;
  let at = 0;
  while (at < text.length) {
    const width = isPair(text, at) ? 2 : 1;
    bytes += width === 2 ? 4 : utf8Bytes(text.charCodeAt(at));
    if (bytes > maxBytes) break;
    at += width;
  }
  return at;
}

function isPair(text: string, at: number): boolean {
  const next = text.charCodeAt(at + 1);
  return isHighSurrogate(text.charCodeAt(at)) && next >= 0xdc00 && next <= 0xdfff;
}

/** Half a pair becomes U+FFFD, which takes three bytes as well. */
function utf8Bytes(unit: number): number {
  if (unit < 0x80) return 1;
  return unit < 0x800 ? 2 : 3;
}
