const FIRST_BUFFER_BYTES = 2048;
/** One for all: each costs a view and its buffer. */
const NOTHING = Buffer.alloc(0);

/** Who can do with the rest of a line, or of an event's data, that begins as expected. */
export interface Repetition {
  readonly beginning: Beginning;
  readonly onRest: (rest: string) => void;
}

/**
 * What the next event's data probably begins with, for streams in which each event repeats what the one
 * before said. Kept as bytes: comparing 40 KB takes some microseconds,
 * decoding and parsing them twenty times as long.
 */
export class Beginning {
  /** As the stream writes it: with or without a blank. */
  field: 'data:' | 'data: ' = 'data: ';
  /** The whole line so far, with its field's name. */
  #bytes: Buffer = NOTHING;
  #length = 0;
  #fieldLength = 0;

  /** In bytes, with the field's name; 0: nothing is expected. */
  get length(): number {
    return this.#length;
  }

  /** Of the data, without the field's name. */
  get text(): string {
    return this.#bytes.toString('utf8', this.#fieldLength, this.#length);
  }

  /** `text` is one line, and well-formed. */
  expect(text: string): void {
    this.#length = 0;
    this.#fieldLength = this.field.length;
    this.extend(this.field + text);
  }

  /** The next event will also repeat `text`, behind what is expected already. */
  extend(text: string): void {
    const most = this.#length + text.length * 3;
    if (most > this.#bytes.length) this.#grow(most);
    this.#length += this.#bytes.write(text, this.#length);
  }

  forget(): void {
    this.#length = 0;
  }

  /** Are `bytes` from `start` to `end` those that are expected from `at` on? */
  isIn(bytes: Buffer, start: number, end: number, at: number): boolean {
    // Blank lines and comments are told apart without a call into native code.
    if (bytes[start] !== this.#bytes[at]) return false;
    return bytes.compare(this.#bytes, at, at + end - start, start, end) === 0;
  }

  /** The first `length` bytes, to be read at once. */
  firstBytes(length: number): Buffer {
    return this.#bytes.subarray(0, length);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER_BYTES, needed + (needed >> 1)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
