import { readFileSync } from 'node:fs';
import type { ProofTask } from '../../src/threads/tasks.ts';
import { createKernel } from './kernel.ts';
import type { Kernel } from './kernel.ts';

/** Faster first. */
const NAMES = ['simd', 'scalar'] as const;
export type KernelName = (typeof NAMES)[number];

export interface LoadedKernel extends Kernel {
  readonly name: KernelName;
}

/** Texts, and how many tries their small challenge takes: one for each kind of search. */
const EXERCISES: readonly [ProofTask['text'], number][] = [
  [{ search: 'nonce', parts: ['[', ',', ']'] }, 7],
  [{ search: 'tail', parts: [`["${'-'.repeat(90)}`, '"]'] }, 408],
];

/** The fastest kernel that runs here and can count; null: none does. */
export function loadKernel(names: readonly KernelName[] = NAMES): LoadedKernel | null {
  for (const name of names) {
    try {
      const kernel = { name, ...createKernel(readFileSync(new URL(`${name}.wasm`, import.meta.url))) };
      if (EXERCISES.every((exercise) => solves(kernel, ...exercise))) return kernel;
    } catch {
      // An engine without vectors refuses the code; so would one without WebAssembly.
    }
  }
  return null;
}

function solves(kernel: Kernel, text: ProofTask['text'], tries: number): boolean {
  const cancel = new SharedArrayBuffer(4);
  const task: ProofTask = {
    type: 'proof',
    seed: '0.5',
    difficulty: '00f',
    text,
    from: 0,
    tries: 2_000,
    cancel,
  };
  const result = kernel.search(task, () => false);
  return result.type === 'solved' && result.tries === tries;
}
