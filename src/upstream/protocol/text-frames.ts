const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSING = Buffer.from('"}\n\n');
/** How such frames may begin; a stream keeps to one of them. */
const OPENINGS = [
  'event: delta\ndata: {"v":"',
  'event: delta\ndata: {"v": "',
  'data: {"v":"',
  'data: {"v": "',
].map((opening) => Buffer.from(opening));

/**
 * Reads the frames that nearly all of a v1 stream are from the bytes themselves, without lines, events and
 * JSON:
 *
 *     event: delta
 *     data: {"v":"text"}
 *
 * Whatever is not exactly that, or not whole, is left to those who read lines. An event costs 0.36 µs instead of
 * 0.89 in chunks of 16 KiB, 0.45 instead of 0.94 alone (bench decode).
 */
export class TextFrames {
  /** False: the text means something else here; the frame is left. */
  readonly #onText: (text: string) => boolean;
  #opening = OPENINGS[0] as Buffer;

  constructor(onText: (text: string) => boolean) {
    this.#onText = onText;
  }

  /** Takes as many frames as follow each other from `start`, where an event begins; gives where the rest begins. */
  take(bytes: Buffer, start: number): number {
    for (let at = start; ;) {
      const end = this.#takeOne(bytes, at);
      if (end === at) return at;
      at = end;
    }
  }

  #takeOne(bytes: Buffer, start: number): number {
    const from = this.#openingEnd(bytes, start);
    if (from === -1) return start;
    let isPlain = true;
    let isAscii = true;
    let at = from;
    for (; at < bytes.length && bytes[at] !== QUOTE; at += 1) {
      const byte = bytes[at] as number;
      if (byte < 0x20) return start;
      if (byte >= 0x80) isAscii = false;
      if (byte !== BACKSLASH) continue;
      isPlain = false;
      at += 1;
    }
    if (!isAt(bytes, at, CLOSING)) return start;
    const raw = bytes.toString(isAscii ? 'latin1' : 'utf8', from, at);
    const text = isPlain ? raw : unescape(raw);
    return text !== null && this.#onText(text) ? at + CLOSING.length : start;
  }

  /** -1: no such frame begins there. */
  #openingEnd(bytes: Buffer, start: number): number {
    if (isAt(bytes, start, this.#opening)) return start + this.#opening.length;
    const other = OPENINGS.find((opening) => isAt(bytes, start, opening));
    if (other === undefined) return -1;
    this.#opening = other;
    return start + other.length;
  }
}

function isAt(bytes: Buffer, start: number, expected: Buffer): boolean {
  if (start + expected.length > bytes.length) return false;
  for (let at = 0; at < expected.length; at += 1) if (bytes[start + at] !== expected[at]) return false;
  return true;
}

function unescape(raw: string): string | null {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return null;
  }
}
