import { readFileSync } from 'node:fs';

/** A stream takes two of the server's: the client's connection and the backend's. */
const FILES_PER_STREAM = 2;
/** For all else: logs, the store, event loops, connections that are kept for the next call. */
const OTHER_FILES = 200;

/** How many streams a process may carry, by the kernel's limit of open files for it. */
export function mostStreams(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files +\d+ +(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Infinity : Math.floor((Number(hard) - OTHER_FILES) / FILES_PER_STREAM);
}
