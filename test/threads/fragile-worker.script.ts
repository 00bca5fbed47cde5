import { existsSync, writeFileSync } from 'node:fs';
import type { ProofResult, ProofTask } from '../../src/threads/tasks.ts';
import search from '../../workers/proof.ts';

/**
 * The program's own worker but for seeds that kill it: `exit` ends the thread, `memory` takes more than
 * there is; with a file after it only once, when the file was not there yet.
 */
export default function solve(task: ProofTask): ProofResult {
  const [death, file] = task.seed.split(' ');
  const isDeadly = death === 'exit' || death === 'memory';
  if (isDeadly && (file === undefined || !existsSync(file))) {
    if (file !== undefined) writeFileSync(file, '');
    if (death === 'exit') process.exit(3);
    takeAll();
  }
  return search(task);
}

function takeAll(): never {
  const taken: number[][] = [];
  for (;;) taken.push(Array.from({ length: 200_000 }, () => 0.5));
}
