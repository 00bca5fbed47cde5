import { readFileSync, readdirSync } from 'node:fs';

/** A process and all that descend from it, as far as they still run. */
export function processTree(pid: number): readonly number[] {
  return [pid, ...children(pid).flatMap(processTree)];
}

function children(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
