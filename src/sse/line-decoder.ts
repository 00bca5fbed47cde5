import type { Beginning, Repetition } from './beginning.ts';

const LF = 10;
const CR = 13;
const BYTE_ORDER_MARK = '\uFEFF';
const FIRST_BUFFER_BYTES = 4096;
/** One for all: each costs a view and its buffer. */
const NOTHING = Buffer.alloc(0);

/** A line or an event grew past its cap; the stream cannot be read any further. */
export class SseOverflow extends Error {
  override readonly name = 'SseOverflow';
}

/** Takes whole events off the bytes, from where a line begins; gives where the rest begins. */
export type Shortcut = (bytes: Buffer, start: number) => number;

/**
 * Bytes to lines, by the rule of server-sent events: LF, CR and CRLF all end a line.
 * Chunks may be split anywhere, also inside a UTF-8 sequence or between CR and LF: no line break
 * byte occurs inside a multi-byte sequence, so only whole lines are ever decoded.
 * Chunks are not kept: what is unfinished is copied. Of a line that begins as expected only the rest is
 * looked at, and told as such.
 */
export class LineDecoder {
  readonly #onLine: (line: string) => void;
  readonly #maxLineBytes: number;
  #pending: Buffer = NOTHING;
  #pendingBytes = 0;
  #afterCr = false;
  #firstLine = true;
  readonly #beginning: Beginning | null;
  readonly #onRest: (rest: string) => void;
  readonly #shortcut: Shortcut | null;
  /** How many bytes of the line at hand are those that were expected. They are not pending. */
  #matched = 0;

  constructor(
    onLine: (line: string) => void,
    maxLineBytes: number,
    repetition: Repetition | null = null,
    shortcut: Shortcut | null = null,
  ) {
    this.#onLine = onLine;
    this.#maxLineBytes = maxLineBytes;
    this.#beginning = repetition?.beginning ?? null;
    this.#onRest = repetition?.onRest ?? onLine;
    this.#shortcut = shortcut;
  }

  /** Throws SseOverflow; the decoder must not be used after that. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length === 0) return;
    let start = this.#afterCr && bytes[0] === LF ? 1 : 0;
    this.#afterCr = false;
    let hasCr: boolean | null = null;
    for (;;) {
      start = this.#skipEvents(bytes, start);
      if (start === bytes.length) return;
      start = this.#skipExpected(bytes, start);
      hasCr ??= bytes.indexOf(CR, start) !== -1;
      const end = hasCr ? indexOfBreak(bytes, start) : bytes.indexOf(LF, start);
      if (end === -1) break;
      this.#finishLine(bytes, start, end);
      start = end + 1;
      if (bytes[end] !== CR) continue;
      if (start === bytes.length) this.#afterCr = true;
      else if (bytes[start] === LF) start += 1;
    }
    this.#keep(bytes, start, bytes.length);
  }

  /** The stream ended: what is left counts as a line. */
  end(): void {
    if (this.#matched > 0 && !this.#goesOn()) this.#unmatch();
    if (this.#pendingBytes > 0 || this.#matched > 0) this.#finishLine(NOTHING, 0, 0);
  }

  /** The line at hand begins as expected, and only the rest of it is pending. */
  #goesOn(): boolean {
    return this.#matched > 0 && this.#matched === this.#beginning?.length;
  }

  #skipEvents(bytes: Buffer, start: number): number {
    if (this.#shortcut === null || this.#firstLine || this.#pendingBytes > 0 || this.#matched > 0)
      return start;
    return this.#shortcut(bytes, start);
  }

  /** Where to read on, behind what of the line is as expected. */
  #skipExpected(bytes: Buffer, start: number): number {
    const beginning = this.#beginning;
    if (beginning === null || beginning.length === 0 || this.#pendingBytes > 0) return start;
    const end = Math.min(bytes.length, start + beginning.length - this.#matched);
    if (end === start) return start;
    if (!beginning.isIn(bytes, start, end, this.#matched)) {
      this.#unmatch();
      return start;
    }
    this.#matched += end - start;
    return end;
  }

  /** The line is another one after all. */
  #unmatch(): void {
    const matched = this.#matched;
    this.#matched = 0;
    if (matched > 0) this.#keep((this.#beginning as Beginning).firstBytes(matched), 0, matched);
  }

  #finishLine(bytes: Buffer, start: number, end: number): void {
    let line: string;
    if (this.#pendingBytes === 0) {
      if (this.#matched + end - start > this.#maxLineBytes) throw new SseOverflow();
      line = bytes.toString('utf8', start, end);
    } else {
      this.#keep(bytes, start, end);
      line = this.#pending.toString('utf8', 0, this.#pendingBytes);
      this.#pendingBytes = 0;
      if (this.#pending.length > FIRST_BUFFER_BYTES * 16) this.#pending = NOTHING;
    }
    if (this.#firstLine) {
      this.#firstLine = false;
      if (line.startsWith(BYTE_ORDER_MARK)) line = line.slice(1);
    }
    if (!this.#goesOn()) return this.#onLine(line);
    this.#matched = 0;
    this.#onRest(line);
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (start === end) return;
    const needed = this.#pendingBytes + end - start;
    if (this.#matched + needed > this.#maxLineBytes) throw new SseOverflow();
    if (needed > this.#pending.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER_BYTES, needed * 2));
      this.#pending.copy(grown, 0, 0, this.#pendingBytes);
      this.#pending = grown;
    }
    bytes.copy(this.#pending, this.#pendingBytes, start, end);
    this.#pendingBytes = needed;
  }
}

function indexOfBreak(bytes: Buffer, start: number): number {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === LF || byte === CR) return at;
  }
  return -1;
}
