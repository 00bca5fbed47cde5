import { createSHA3 } from 'hash-wasm';
import { searchProof } from '../src/sentinel/proof.ts';
import type { ProofHasher } from '../src/sentinel/proof.ts';
import type { ProofResult, ProofTask } from '../src/threads/tasks.ts';
import type { Kernel } from './kernel/kernel.ts';
import { loadKernel } from './kernel/load.ts';

const { name, search } = loadKernel() ?? (await createLoop());

/** What searches here: the kernel with or without vectors, or a loop around a library's hash. */
export const engine = name;

export default function solve(task: ProofTask): ProofResult {
  const cancel = new Int32Array(task.cancel);
  return search(task, () => Atomics.load(cancel, 0) !== 0);
}

/** Loading a saved state skips the constant blocks of every try. */
async function createLoop(): Promise<Kernel & { readonly name: 'hash-wasm' }> {
  const sha3 = await createSHA3(512);
  let midstate = sha3.init().save();
  const hasher: ProofHasher = {
    begin(prefix) {
      midstate = sha3.init().update(prefix).save();
    },
    finish(rest) {
      return sha3.load(midstate).update(rest).digest('binary');
    },
  };
  return {
    name: 'hash-wasm',
    search: (task, isCancelled) => searchProof(task, { hasher, isCancelled }),
  };
}
