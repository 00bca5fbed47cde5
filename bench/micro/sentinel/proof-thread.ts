import { parentPort } from 'node:worker_threads';
import { fixedPuzzle, toTask } from './fixed-puzzle.ts';
import solve from '../../../workers/proof.ts';

/** Makes as many tries as each message says and answers when it is through. */
const puzzle = fixedPuzzle('tail', '0'.repeat(32));
parentPort?.on('message', (tries: number) => parentPort?.postMessage(solve(toTask(puzzle, tries)).tries));
