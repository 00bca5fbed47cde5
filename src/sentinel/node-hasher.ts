import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { ProofHasher } from './proof.ts';

/** SHA3-512 of node itself: no module to load for the few hashes of the main thread. */
export function createNodeHasher(): ProofHasher {
  let prefixed: Hash = createHash('sha3-512');
  return {
    begin(prefix) {
      prefixed = createHash('sha3-512').update(prefix);
    },
    finish(rest) {
      return prefixed.copy().update(rest).digest();
    },
  };
}
