/**
 * Everything that crosses a thread, in one place: what goes in, what comes out.
 * Plain strings and one shared flag, so that posting a task copies little.
 */

/** Search for a config whose hash falls below the difficulty. */
export interface ProofTask {
  readonly type: 'proof';
  readonly seed: string;
  /** Lower-case hex, compared digit by digit with the digest's first digits. */
  readonly difficulty: string;
  /** The config array, serialised, cut around its two counters: parts[0] n parts[1] n>>1 parts[2]. */
  readonly parts: readonly [string, string, string];
  /** Give up after this long. */
  readonly timeoutMs: number;
  /** One Int32: 0 go on, anything else stop. Written by the caller, read by the worker between tries. */
  readonly cancel: SharedArrayBuffer;
}

export type ProofResult =
  | { readonly type: 'solved'; readonly answer: string; readonly tries: number }
  | { readonly type: 'exhausted'; readonly tries: number }
  | { readonly type: 'cancelled'; readonly tries: number };
