/** The body of a call that is sent, perhaps more than once, until it is answered. */
export interface QuestionBody {
  readonly bytes: number;
  readonly sent: string | AsyncIterable<Uint8Array>;
  /** It will not be sent again: from now on it takes no memory. */
  release(): void;
}

/**
 * A string costs the sender less, but it keeps it, and a copy of it, until the answer's end: a hundred
 * thousand characters of a question were 200 KiB in each open stream.
 */
const LONG_CHARACTERS = 8 * 1024;

export function createQuestionBody(json: string): QuestionBody {
  if (json.length < LONG_CHARACTERS) {
    return { bytes: Buffer.byteLength(json), sent: json, release: () => {} };
  }
  let kept: Uint8Array | null = Buffer.from(json);
  return {
    bytes: kept.length,
    sent: {
      async *[Symbol.asyncIterator]() {
        if (kept !== null) yield kept;
      },
    },
    release() {
      kept = null;
    },
  };
}
