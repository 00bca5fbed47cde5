/**
 * Everything that crosses a thread, in one place: what goes in, what comes out.
 * Plain strings and one shared flag, so that posting a task copies little.
 */

/**
 * The config array, serialised, cut around what differs from try to try. `nonce`: parts[0] n parts[1]
 * n>>1 parts[2], entries 3 and 9 as the page's script has them. `tail`: parts[0] digits parts[1], one
 * field near the end, always as wide, so that most of the text is hashed once.
 */
export type ProofText =
  | { readonly search: 'nonce'; readonly parts: readonly [string, string, string] }
  | {
      readonly search: 'tail';
      readonly parts: readonly [string, string];
      /**
       * The digits of counter 0: lower-case hex, 1 to 12, `00000000` when left out. They count up, and go on
       * at 0 behind the last.
       */
      readonly first?: string;
    };

/** A config whose hash falls at or below the difficulty is wanted. */
export interface ProofPuzzle {
  readonly seed: string;
  /** Lower-case hex, compared digit by digit with the digest's first digits. */
  readonly difficulty: string;
  readonly text: ProofText;
}

/** Try the counters `from`, `from + 1`, ... `tries` of them. */
export interface ProofTask extends ProofPuzzle {
  readonly type: 'proof';
  readonly from: number;
  readonly tries: number;
  /** One Int32: 0 go on, anything else stop. Written by the caller, read by the worker between tries. */
  readonly cancel: SharedArrayBuffer;
}

export type ProofResult =
  | { readonly type: 'solved'; readonly answer: string; readonly tries: number }
  /** None of the counters passes. */
  | { readonly type: 'none'; readonly tries: number }
  | { readonly type: 'cancelled'; readonly tries: number };
