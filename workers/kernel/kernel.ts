import { countersAlike, encodeConfig, fillIn } from '../../src/sentinel/counter-text.ts';
import { passes } from '../../src/sentinel/proof.ts';
import type { ProofResult, ProofTask } from '../../src/threads/tasks.ts';

/** A compiled search, for one thread. Finds what `searchProof` finds. */
export interface Kernel {
  readonly search: (task: ProofTask, isCancelled: () => boolean) => ProofResult;
}

/** The engine's, as far as it is used here: neither the language's types nor node's have it. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** What `assembly/search.ts` exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly reserve: (seedBytes: number, jsonBytes: number) => number;
  readonly begin: (
    firstAt: number,
    firstDigits: number,
    secondAt: number,
    secondDigits: number,
    radix: number,
    parity: number,
    most: bigint,
  ) => void;
  readonly search: (tries: number) => number;
  readonly digest: (tried: number) => number;
}

/** Some 2 ms of nine blocks a try between two looks at the cancel flag; even, for two at a time. */
const TRIES_PER_CALL = 1_024;
const DIGEST_BYTES = 64;
/** The compiled code compares as many digits; the rest, if there are more, is compared here. */
const COMPARED_DIGITS = 16;

/** Throws where the engine cannot compile the code. */
export function createKernel(code: Uint8Array): Kernel {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code));
  const { memory, reserve, begin, search, digest } = instance.exports as Exports;

  /** Lays out the message of a counter; those after it count up in its digits. */
  function start(task: ProofTask, counter: number): void {
    const seed = Buffer.from(task.seed, 'utf8');
    const { json, numbers } = fillIn(task.text, counter);
    const [first, second = { at: 0, length: 0 }] = numbers;
    const at = reserve(seed.length, json.length);
    const input = new Uint8Array(memory.buffer, at);
    input.set(seed);
    input.set(json, seed.length);
    const most = BigInt(`0x${task.difficulty.slice(0, COMPARED_DIGITS).padEnd(COMPARED_DIGITS, 'f')}`);
    begin(first.at, first.length, second.at, second.length, first.radix, counter % 2, most);
  }

  return {
    search(task, isCancelled) {
      const { text, difficulty, from } = task;
      const end = from + task.tries;
      let alikeUntil = from;
      for (let counter = from; counter < end;) {
        if (isCancelled()) return { type: 'cancelled', tries: counter - from };
        if (counter === alikeUntil) {
          start(task, counter);
          alikeUntil = Math.min(end, counter + countersAlike(text, counter));
        }
        const tries = Math.min(TRIES_PER_CALL, alikeUntil - counter);
        const failed = search(tries);
        // An odd number of tries ends with one too many.
        if (failed === -1 || failed >= tries) {
          counter += tries;
          continue;
        }
        counter += failed + 1;
        if (passes(new Uint8Array(memory.buffer, digest(failed), DIGEST_BYTES), difficulty)) {
          return { type: 'solved', answer: encodeConfig(text, counter - 1), tries: counter - from };
        }
        alikeUntil = counter;
      }
      return { type: 'none', tries: task.tries };
    },
  };
}
