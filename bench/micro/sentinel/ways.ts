import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSHA3 } from 'hash-wasm';
import { encodeConfig } from '../../../src/sentinel/counter-text.ts';
import { searchProof } from '../../../src/sentinel/proof.ts';
import type { ProofHasher } from '../../../src/sentinel/proof.ts';
import type { ProofPuzzle, ProofResult, ProofTask } from '../../../src/threads/tasks.ts';
import { loadKernel } from '../../../workers/kernel/load.ts';
import type { KernelName } from '../../../workers/kernel/load.ts';
import { fixedPuzzle, toTask } from './fixed-puzzle.ts';

/** One way to search, or a limit to what any way can do. */
export interface Way {
  readonly name: string;
  /** The seconds of processor time for as many tries at a puzzle that nobody solves. */
  readonly secondsFor: (tries: number) => number;
  /** Null where nothing is found. */
  readonly answerTo: ((puzzle: ProofPuzzle) => string | null) | null;
  readonly search: 'nonce' | 'tail';
}

const SOURCES = fileURLToPath(new URL('../../../../bench/micro/sentinel/', import.meta.url));
const UNSOLVABLE = '0'.repeat(32);
const never = (): boolean => false;

type Search = (task: ProofTask) => ProofResult;

/** The loop as it is usually written: the whole message anew for each try, compared as hex. */
export async function hashWasmLoop(): Promise<Way> {
  const sha3 = await createSHA3(512);
  return toWay('a plain loop, hash-wasm', 'nonce', (task) =>
    searchPlainly(task, (message) => sha3.init().update(message).digest('hex')),
  );
}

export function nodeLoop(): Way {
  return toWay("a plain loop, node's crypto", 'nonce', (task) =>
    searchPlainly(task, (message) => createHash('sha3-512').update(message).digest('hex')),
  );
}

/** Constant blocks hashed once, changed letters encoded again: what JavaScript can do about it. */
export async function careful(): Promise<Way> {
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
  const search: Search = (task) => searchProof(task, { hasher, isCancelled: never });
  return toWay('our loop in JavaScript, hash-wasm', 'nonce', search);
}

export function kernelWay(name: KernelName, search: Way['search']): Way {
  const kernel = loadKernel([name]);
  if (kernel === null) throw new Error(`the kernel ${name} does not run here`);
  return toWay(`kernel ${name}, ${search}`, search, (task) => kernel.search(task, never));
}

/** Null without a Python that knows SHA3. */
export function pythonLoop(): Way | null {
  const ask = (puzzle: ProofPuzzle, tries: number): { seconds: number; found: number | null } => {
    const { text, ...rest } = puzzle;
    const input = JSON.stringify({ ...rest, parts: text.parts });
    const output = execFileSync('python3', [`${SOURCES}proof.py`, String(tries)], { input, stdio: 'pipe' });
    return JSON.parse(output.toString()) as { seconds: number; found: number | null };
  };
  const unsolvable = fixedPuzzle('nonce', UNSOLVABLE);
  const way: Way = {
    name: 'a plain loop, Python',
    search: 'nonce',
    secondsFor: (tries) => ask(unsolvable, tries).seconds,
    answerTo(puzzle) {
      const { found } = ask(puzzle, 1_000_000);
      return found === null ? null : encodeConfig(puzzle.text, found);
    },
  };
  return worksHere(() => way.secondsFor(1)) ? way : null;
}

/** Permutations alone, `blocks` for a try; null without a C compiler. */
export function nativeLimit(lanes: number, search: Way['search'], blocks: number): Way | null {
  const folder = mkdtempSync(join(tmpdir(), 'chat2api-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'keccak');
  const flags = ['-O3', '-march=native', '-Wno-psabi', `-DLANES=${lanes}`];
  const compile = (): unknown =>
    execFileSync('cc', [...flags, '-o', program, `${SOURCES}keccak.c`], { stdio: 'ignore' });
  if (!worksHere(compile)) return null;
  return {
    name: `limit: permutations in C, ${lanes} at a time, ${search}`,
    search,
    secondsFor: (tries) => Number.parseFloat(execFileSync(program, [String(tries * blocks)]).toString()),
    answerTo: null,
  };
}

function worksHere(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

function toWay(name: string, search: Way['search'], run: Search): Way {
  const unsolvable = fixedPuzzle(search, UNSOLVABLE);
  return {
    name,
    search,
    secondsFor(tries) {
      const before = process.cpuUsage();
      run(toTask(unsolvable, tries));
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6;
    },
    answerTo(puzzle) {
      const result = run(toTask(puzzle, 1_000_000));
      return result.type === 'solved' ? result.answer : null;
    },
  };
}

function searchPlainly(task: ProofTask, digest: (message: string) => string): ProofResult {
  const { seed, difficulty, text, tries } = task;
  for (let counter = 0; counter < tries; counter += 1) {
    const answer = encodeConfig(text, counter);
    if (digest(seed + answer).slice(0, difficulty.length) <= difficulty) {
      return { type: 'solved', answer, tries: counter + 1 };
    }
  }
  return { type: 'none', tries };
}
