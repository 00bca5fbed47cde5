/**
 * A model's encoding, as counting and cutting need it. Implementations take special tokens such as
 * `<|endoftext|>` for plain text and never throw. Their cost may grow with the square of an unbroken
 * run of characters, so long texts go through `segmentLength`.
 */
export interface Tokenizer {
  count(text: string): number;
  /** The length in UTF-8 bytes of each token, in order; none is 0. */
  tokenSizes(text: string): readonly number[];
}
