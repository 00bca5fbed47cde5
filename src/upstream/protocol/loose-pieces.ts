/** A text may grow by so much, or by an eighth if that is more, before its pieces become one. */
const LOOSE_CHARACTERS = 1_024;

/**
 * The pieces of one text that grows by additions. V8 keeps each as it came: 56 bytes for a token of four
 * characters, 112 to 350 for one so long that it is a view of its whole line. Without joining them, an answer of
 * 2,000 events held 230 KiB for its 36 KiB of text.
 */
export class LoosePieces {
  #joinedLength: number;

  constructor(text: string) {
    this.#joinedLength = text.length;
  }

  /** `text` is what it has grown to. Looking into it makes V8 join its pieces, in place. True: it was time to. */
  grewTo(text: string): boolean {
    if (text.length - this.#joinedLength <= Math.max(LOOSE_CHARACTERS, text.length >> 3)) return false;
    this.#joinedLength = text.length;
    // The answer is known, and asked for in a way that no optimizer can leave out.
    if (Number.isNaN(text.charCodeAt(text.length - 1))) throw new RangeError('a text without an end');
    return true;
  }
}
