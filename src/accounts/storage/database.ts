import SQLite from 'libsql';

/** One SQLite file of named lines, opened by this connection alone. Every call blocks, and throws SQLite's errors. */
export interface Database {
  /** As stored: 'ours', or 'newer' when only a newer program can read it. Throws when it is neither. */
  version(): 'ours' | 'newer';
  /** Throws when SQLite finds anything wrong with the file. */
  check(): void;
  lines(): Buffer[];
  /** One transaction. `synced`: it is on the disk when the call returns. */
  write(lines: readonly NamedLine[], durability: 'synced' | 'soon'): void;
  /** Leaves one file without a log. Releases the file also when it cannot be put in order. */
  close(): void;
}

export interface NamedLine {
  readonly name: string;
  readonly line: string;
}

export const PAGE_BYTES = 8192;

const VERSION = 1;
/**
 * The log is moved into the database at about this size. SQLite's own rule would write over an old log,
 * which then could not be told from a damaged one.
 */
const MAX_LOG_BYTES = 4 * 1024 ** 2;
/** Its own and one of the index: as many as a change writes at most, in the long run. */
const PAGES_PER_LINE = 2;

/** Written twice, so that a flipped bit is not taken for a newer version. */
const SCHEMA = `
  CREATE TABLE lines (name TEXT PRIMARY KEY NOT NULL, line BLOB NOT NULL);
  PRAGMA user_version = ${VERSION};
  PRAGMA application_id = ${VERSION};
`;

/** `isNew`: there is no database at the path yet. */
export function openDatabase(path: string, isNew = false): Database {
  const db = new SQLite(path);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0`);
    db.exec(`PRAGMA secure_delete = ON; ${isNew ? SCHEMA : ''}`);
    return toDatabase(db);
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function toDatabase(db: SQLite.Database): Database {
  let logBytes = 0;
  return {
    version() {
      const [version, again] = [readNumber(db, 'user_version'), readNumber(db, 'application_id')];
      if (typeof version !== 'number' || version !== again || version < VERSION)
        throw new Error('no version');
      return version === VERSION ? 'ours' : 'newer';
    },
    check() {
      const [verdict] = db.prepare('PRAGMA integrity_check(1)').raw().all() as unknown[][];
      if (verdict?.[0] !== 'ok') throw new Error('not in order');
    },
    lines: () => (db.prepare('SELECT line FROM lines').raw().all() as Buffer[][]).flat(),
    write(lines, durability) {
      db.exec(`PRAGMA synchronous = ${durability === 'synced' ? 'FULL' : 'NORMAL'}`);
      transact(db, lines);
      logBytes += PAGES_PER_LINE * PAGE_BYTES * lines.length;
      if (logBytes < MAX_LOG_BYTES) return;
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      logBytes = 0;
    },
    close: () => closeCleanly(db),
  };
}

function readNumber(db: SQLite.Database, pragma: string): unknown {
  const [row] = db.prepare(`PRAGMA ${pragma}`).raw().all() as unknown[][];
  return row?.[0];
}

function transact(db: SQLite.Database, lines: readonly NamedLine[]): void {
  const put = db.prepare('REPLACE INTO lines (name, line) VALUES (?, ?)');
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const { name, line } of lines) put.run(name, Buffer.from(line, 'latin1'));
    db.exec('COMMIT');
  } catch (thrown) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}

/** Statements live until they are collected, and a connection with its statements: only these words free the file. */
function closeCleanly(db: SQLite.Database): void {
  try {
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM lines');
  } finally {
    db.close();
  }
}
