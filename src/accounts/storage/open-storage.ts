import { randomBytes } from 'node:crypto';
import { StoreError, failureCode } from '../store-error.ts';
import type { DataDir } from './data-dir.ts';
import { PAGE_BYTES, openDatabase } from './database.ts';
import type { Database, NamedLine } from './database.ts';
import { UNREADABLE, encodeLine, findLines, readRecord } from './line.ts';
import type { Line } from './line.ts';
import { createSeal } from './sealed.ts';
import type { Seal } from './sealed.ts';
import { isLogDamaged } from './write-ahead-log.ts';

/** `record` null: removed. */
export interface Change {
  readonly name: string;
  readonly record: unknown;
}

export interface Storage {
  /** What was there at the start, by name. */
  readonly records: ReadonlyMap<string, unknown>;
  /** One transaction. Blocks; throws SQLite's errors. */
  write(changes: readonly Change[], durability: 'synced' | 'soon'): void;
  close(): void;
}

export interface OpenStorageOptions {
  readonly dir: DataDir;
  readonly dataKey: string | null;
  readonly nowMs: () => number;
  /** Damage, and what became of it, in words. */
  readonly onNotice: (message: string) => void;
}

const DB = 'accounts.db';
const LOG = `${DB}-wal`;
/** What SQLite leaves beside a database when a run did not end well, and would read with it. */
const REMAINS = [LOG, `${DB}-journal`];
const NEW_DB = 'accounts.new';
/** There is always one: it carries the store's id, and shows at once whether DATA_KEY is the right one. */
const SELF: Change = { name: 's:store', record: {} };

/** What the files held: the newest line of each name. */
type Found =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'sound'; readonly lines: Lines; readonly store: string; readonly database: Database }
  | { readonly kind: 'damaged'; readonly lines: Lines; readonly why: string };

type Lines = ReadonlyMap<string, Line>;
type Seals = (store: string) => Seal | null;

/**
 * Opens the database, or makes one. A damaged one is moved aside, and what can be read of it goes into
 * a new one. Throws StoreError, with everything left as it is, when DATA_KEY does not fit, when only a
 * newer program can read the file, and when the system does not let us.
 */
export function openStorage(options: OpenStorageOptions): Storage {
  const { dir, dataKey } = options;
  const seals: Seals = (store) => (dataKey === null ? null : createSeal(dataKey, store));
  const found = findRecords(dir);
  try {
    if (found.kind === 'nothing') return rewrite(options, new Map(), seals, null);
    const records = readRecords(found.lines, seals);
    if (found.kind === 'sound' && !isToRewrite(found.lines, dataKey)) {
      return toStorage(found.database, found.store, seals(found.store), found.lines, records);
    }
    if (found.kind === 'sound') found.database.close();
    return rewrite(options, records, seals, found.kind === 'damaged' ? found.why : null);
  } catch (thrown) {
    if (found.kind === 'sound') found.database.close();
    throw thrown;
  }
}

function findRecords(dir: DataDir): Found {
  if (!dir.exists(DB) && !dir.exists(LOG)) return { kind: 'nothing' };
  // Read before SQLite changes anything: what it makes of damaged files may be less than what is in them.
  const log = dir.read(LOG) ?? Buffer.of();
  const [inMain, inLog] = [findLines(dir.read(DB) ?? Buffer.of()), findLines(log)];
  const store = (inMain[0] ?? inLog[0])?.store ?? null;
  const why = damageBeforeOpening(
    dir,
    log,
    inLog.some((line) => line.store !== store),
  );
  const opened = why === null ? openSound(dir, store) : why;
  if (typeof opened !== 'string') return opened;
  const own = [...inMain, ...inLog].filter((line) => line.store === store);
  return { kind: 'damaged', lines: newest(own), why: opened };
}

function damageBeforeOpening(dir: DataDir, log: Buffer, isLogForeign: boolean): string | null {
  const main = dir.read(DB);
  if (main === null) return dir.exists(DB) ? 'it is not a file' : 'it is gone, only its log is there';
  if (main.length === 0) return 'it is empty';
  if (dir.exists(LOG) && dir.read(LOG) === null) return 'its log is not a file';
  if (isLogForeign) return 'the log beside it is of another database';
  return isLogDamaged(log, PAGE_BYTES) ? 'its log is damaged' : null;
}

/** In words why not, when it is damaged. */
function openSound(dir: DataDir, store: string | null): Found | string {
  let database: Database | null = null;
  try {
    dir.keepPrivate(DB);
    database = openDatabase(dir.path(DB));
    if (database.version() === 'newer') throw new StoreError(NEWER);
    database.check();
    const lines = database.lines().map((bytes) => findLines(bytes)[0]);
    if (store !== null && lines.every((line) => line?.store === store)) {
      return { kind: 'sound', lines: newest(lines as Line[]), store, database };
    }
    database.close();
    return 'records in it are damaged';
  } catch (thrown) {
    closeAnyhow(database);
    if (thrown instanceof StoreError) throw thrown;
    if (OUTSIDE.test(failureCode(thrown))) throw notOpened(dir, thrown);
    return `SQLite cannot read it: ${failureCode(thrown)}`;
  }
}

function closeAnyhow(database: Database | null): void {
  try {
    database?.close();
  } catch {
    // It is damaged: it is moved aside as it is.
  }
}

function newest(lines: readonly Line[]): Lines {
  const newestByName = new Map<string, Line>();
  for (const line of lines) {
    const other = newestByName.get(line.name);
    if (other === undefined || other.sequence < line.sequence) newestByName.set(line.name, line);
  }
  return newestByName;
}

function readRecords(lines: Lines, sealsOf: Seals): Map<string, unknown> {
  const records = new Map<string, unknown>();
  let seal: Seal | null = null;
  for (const [name, line] of lines) {
    if (line.form === 's') seal ??= sealsOf(line.store);
    const record = readRecord(line, seal);
    if (record === UNREADABLE) throw new StoreError(seal === null ? KEY_MISSING : KEY_WRONG);
    if (record !== null && name !== SELF.name) records.set(name, record);
  }
  return records;
}

/** Removed tokens, and tokens that are to be encrypted from now on, leave traces in a file that is only changed. */
function isToRewrite(lines: Lines, dataKey: string | null): boolean {
  const forms = new Set([...lines.values()].map((line) => line.form));
  return forms.has('x') || (forms.has('p') && dataKey !== null);
}

/** A new file takes the place of the old one at once: whenever the process dies, one of them is there. */
function rewrite(
  options: OpenStorageOptions,
  records: ReadonlyMap<string, unknown>,
  sealsOf: Seals,
  damage: string | null,
): Storage {
  const { dir } = options;
  const store = randomBytes(16).toString('hex');
  const seal = sealsOf(store);
  const changes = [SELF, ...Array.from(records, ([name, record]) => ({ name, record }))];
  fillNew(dir, encodeAll(changes, store, 1, seal));
  if (damage !== null) {
    const backup = moveAside(dir, options.nowMs());
    options.onNotice(damageNotice(dir, damage, backup, records));
  }
  dir.replace(DB, NEW_DB);
  for (const name of REMAINS) dir.remove(name);
  return toStorage(openDatabase(dir.path(DB)), store, seal, new Map(), records);
}

function fillNew(dir: DataDir, lines: readonly NamedLine[]): void {
  for (const suffix of ['', '-wal', '-journal']) dir.remove(NEW_DB + suffix);
  dir.keepPrivate(NEW_DB);
  const database = openDatabase(dir.path(NEW_DB), true);
  try {
    database.write(lines, 'synced');
  } finally {
    database.close();
  }
}

/** Under what name. */
function moveAside(dir: DataDir, nowMs: number): string {
  const stem = `${DB}.damaged-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')}`;
  let backup = stem;
  for (let count = 2; dir.exists(backup); count += 1) backup = `${stem}-${count}`;
  for (const suffix of ['', '-wal', '-journal']) {
    if (dir.exists(DB + suffix)) dir.keepAs(DB + suffix, backup + suffix);
  }
  return backup;
}

function damageNotice(
  dir: DataDir,
  damage: string,
  backup: string,
  records: ReadonlyMap<string, unknown>,
): string {
  const count = (prefix: string): number =>
    [...records.keys()].filter((name) => name.startsWith(prefix)).length;
  return (
    `${dir.path(DB)} was damaged: ${damage}. ${count('a:')} accounts and ${count('k:')} keys could be read and are ` +
    `in use. The damaged files are kept as ${dir.path(backup)}; they may hold tokens, delete them when all is well.`
  );
}

function toStorage(
  database: Database,
  store: string,
  seal: Seal | null,
  lines: Lines,
  records: ReadonlyMap<string, unknown>,
): Storage {
  let sequence = Math.max(1, ...Array.from(lines.values(), (line) => line.sequence));
  return {
    records,
    write(changes, durability) {
      sequence += 1;
      database.write(encodeAll(changes, store, sequence, seal), durability);
    },
    close: () => database.close(),
  };
}

function encodeAll(
  changes: readonly Change[],
  store: string,
  sequence: number,
  seal: Seal | null,
): NamedLine[] {
  return changes.map(({ name, record }) => ({
    name,
    line: encodeLine({ store, sequence, name }, record, seal),
  }));
}

function notOpened(dir: DataDir, thrown: unknown): StoreError {
  return new StoreError(
    `${dir.path(DB)} cannot be opened (${failureCode(thrown)}). It was left as it is. ` +
      'See that no other program has it open, that there is room on the disk, and that DATA_DIR may be written.',
  );
}

/** Failures that say nothing about the file's content. (A damaged head can make SQLite take it for read-only.) */
const OUTSIDE = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|FULL|NOMEM)|^E[A-Z]+$/;

const NEWER =
  'DATA_DIR was written by a newer version of this program. Start that version, or set DATA_DIR to another directory.';

const KEY_MISSING =
  'DATA_KEY is missing: the tokens in DATA_DIR are encrypted. Set the DATA_KEY that they were stored with. Nothing was changed.';

const KEY_WRONG =
  'DATA_KEY is not the one that the tokens in DATA_DIR were encrypted with. Set that one. Nothing was changed.';
