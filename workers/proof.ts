import { createSHA3 } from 'hash-wasm';
import { searchProof } from '../src/sentinel/proof.ts';
import type { ProofHasher } from '../src/sentinel/proof.ts';
import type { ProofResult, ProofTask } from '../src/threads/tasks.ts';

const sha3 = await createSHA3(512);
let midstate = sha3.init().save();

/** Loading a saved state skips the constant blocks of every try. */
const hasher: ProofHasher = {
  begin(prefix) {
    midstate = sha3.init().update(prefix).save();
  },
  finish(rest) {
    return sha3.load(midstate).update(rest).digest('binary');
  },
};

export default function solve(task: ProofTask): ProofResult {
  const cancel = new Int32Array(task.cancel);
  return searchProof(task, {
    hasher,
    isCancelled: () => Atomics.load(cancel, 0) !== 0,
  });
}
