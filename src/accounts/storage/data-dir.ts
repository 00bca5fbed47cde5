import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import SQLite from 'libsql';
import { StoreError, failureCode } from '../store-error.ts';

/** The directory of what survives a restart, while this process alone may use it. Paths are names in it. */
export interface DataDir {
  path(name: string): string;
  /** Null: there is no such file, or what has the name is not a file. */
  read(name: string): Buffer | null;
  exists(name: string): boolean;
  /** Gives the file a second name, under which it stays when the first one gets another file. */
  keepAs(name: string, backup: string): void;
  /** Atomic, and on the disk when the call returns. */
  replace(name: string, by: string): void;
  remove(name: string): void;
  /** Only our user may read it; made empty where there is none. */
  keepPrivate(name: string): void;
  release(): void;
}

const LOCK = 'accounts.lock';

/** Makes the directory where there is none. Throws StoreError. */
export function lockDataDir(dir: string): DataDir {
  const path = (name: string): string => join(dir, name);
  let lock: SQLite.Database;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    lock = takeLock(path(LOCK));
  } catch (thrown) {
    throw thrown instanceof StoreError ? thrown : unusable(dir, thrown);
  }
  return {
    path,
    exists: (name) => existsSync(path(name)),
    read: (name) => (isFile(path(name)) ? readFileSync(path(name)) : null),
    keepAs: (name, backup) => keepAs(path(name), path(backup)),
    replace(name, by) {
      if (!isFile(path(name))) rmSync(path(name), { recursive: true, force: true });
      renameSync(path(by), path(name));
      sync(dir);
    },
    remove: (name) => rmSync(path(name), { recursive: true, force: true }),
    keepPrivate: (name) => keepPrivate(path(name)),
    release: () => lock.close(),
  };
}

/** SQLite's lock on a file that is never written: the system itself lets go of it, however a process ends. */
function takeLock(path: string, isRetry = false): SQLite.Database {
  if (!isFile(path)) rmSync(path, { recursive: true, force: true });
  keepPrivate(path);
  const lock = new SQLite(path);
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (thrown) {
    lock.close();
    if (failureCode(thrown) === 'SQLITE_BUSY') throw inUse(path);
    if (isRetry || failureCode(thrown) !== 'SQLITE_NOTADB') throw thrown;
    rmSync(path);
    return takeLock(path, true);
  }
}

function keepPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function keepAs(path: string, backup: string): void {
  if (!isFile(path)) return renameSync(path, backup);
  try {
    linkSync(path, backup);
  } catch {
    // Not every file system has links.
    copyFileSync(path, backup);
  }
}

function sync(dir: string): void {
  const handle = openSync(dir, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function inUse(path: string): StoreError {
  return new StoreError(
    `DATA_DIR is in use by another process (it holds ${path}). Stop that one, or give this one a DATA_DIR of its own.`,
  );
}

function unusable(dir: string, thrown: unknown): StoreError {
  return new StoreError(
    `DATA_DIR: ${dir} cannot be used (${failureCode(thrown)}). ` +
      'Make it a directory that the user of this process may write, or set DATA_DIR to one.',
  );
}
