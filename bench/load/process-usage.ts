import { readFileSync, readdirSync } from 'node:fs';
import type { Usage } from './protocol.ts';

/** Nanoseconds on a processor so far, by thread. */
type ThreadTimes = ReadonlyMap<string, number>;

/** Watches groups of processes from now on; Linux tells of any process, so their programs need no help. */
export class UsageWatch {
  readonly #groups: Readonly<Record<string, readonly number[]>>;
  readonly #before: Readonly<Record<string, ThreadTimes>>;

  constructor(groups: Readonly<Record<string, readonly number[]>>) {
    this.#groups = groups;
    this.#before = each(groups, threadTimes);
  }

  read(): Record<string, Usage> {
    return each(this.#groups, (pids, name) => ({
      cpuUs: nsBetween(this.#before[name] ?? new Map(), threadTimes(pids)) / 1000,
      rssBytes: rssBytes(pids),
    }));
  }
}

/** Microseconds of processor time since a process began, of the threads that it still has. */
export function spentCpuUs(pid: number): number {
  return nsBetween(new Map(), threadTimes([pid])) / 1000;
}

/** Milliseconds of processor time of a process's first thread, since it began. */
export function mainThreadCpuMs(pid: number): number {
  return Number(threadTimes([pid]).get(String(pid)) ?? 0) / 1e6;
}

/** Memory of all of them that is not swapped out; what they share counts for each. */
export function rssBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + rssOf(pid), 0);
}

function each<In, Out>(
  groups: Readonly<Record<string, In>>,
  toOut: (group: In, name: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, toOut(group, name)]));
}

function threadTimes(pids: readonly number[]): ThreadTimes {
  const times = new Map<string, number>();
  for (const pid of pids) {
    for (const thread of unlessGone(() => readdirSync(`/proc/${pid}/task`), [])) {
      const path = `/proc/${pid}/task/${thread}/schedstat`;
      const [ns = '0'] = unlessGone(() => readFileSync(path, 'utf8'), '0').split(' ', 1);
      times.set(thread, Number(ns));
    }
  }
  return times;
}

/** A thread that ended in between counts for nothing; one that began, for all it did. */
function nsBetween(before: ThreadTimes, after: ThreadTimes): number {
  let ns = 0;
  for (const [thread, time] of after) ns += time - (before.get(thread) ?? 0);
  return ns;
}

function rssOf(pid: number): number {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8'), '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
