import type { AccountRecord, KeyRecord } from './records.ts';
import { StoreError, failureCode } from './store-error.ts';
import { Commits } from './storage/commits.ts';
import { lockDataDir } from './storage/data-dir.ts';
import { openStorage } from './storage/open-storage.ts';
import type { Storage } from './storage/open-storage.ts';

export interface StoreOptions {
  /** DATA_DIR; made when it is not there. */
  readonly dataDir: string;
  /** DATA_KEY; null: tokens are stored as they are. */
  readonly dataKey: string | null;
  readonly nowMs: () => number;
  /** What the operator has to know, in words and without secrets: damage found, a disk that is full. */
  readonly onNotice: (message: string) => void;
}

/**
 * What survives a restart. Changes are in force at once; a promise resolves when they are on the disk,
 * from where neither `kill -9` nor a power cut takes them. It rejects with a StoreError when they could not
 * be written; they stay in force, and writing is tried again.
 */
export interface Store {
  accounts(): readonly AccountRecord[];
  keys(): readonly KeyRecord[];
  /** Adds accounts, or changes them. */
  save(records: readonly AccountRecord[]): Promise<void>;
  remove(ids: readonly string[]): Promise<void>;
  saveKey(record: KeyRecord): Promise<void>;
  removeKey(id: string): Promise<void>;
  /** A change that may be lost by a second: limits, standing. Of an account that is removed it changes nothing. */
  note(record: AccountRecord): void;
  /** A file that was imported, and the hash of what it held. */
  importedHash(fileName: string): string | null;
  saveImported(fileName: string, hash: string): Promise<void>;
  /** Resolves when everything so far is on the disk, notes too. */
  flush(): Promise<void>;
  /** Flushes, and lets go of the directory. Idempotent. Afterwards changes are refused and notes ignored. */
  close(): Promise<void>;
}

/** Throws StoreError: the directory cannot be used, another process uses it, or DATA_KEY does not fit. */
export function openStore(options: StoreOptions): Store {
  const { dataDir, dataKey, nowMs, onNotice } = options;
  const dir = lockDataDir(dataDir);
  try {
    const storage = openStorage({ dir, dataKey, nowMs, onNotice });
    return new OpenStore(storage, onNotice, () => dir.release());
  } catch (thrown) {
    dir.release();
    if (thrown instanceof StoreError) throw thrown;
    throw new StoreError(
      `DATA_DIR: ${dataDir} cannot be used (${failureCode(thrown)}). See that the user of this process may read ` +
        'and write it, and that there is room on the disk.',
      { cause: thrown },
    );
  }
}

class OpenStore implements Store {
  /** By the name under which it is stored: `a:<account id>`, `k:<key id>`, `i:<imported file>`. */
  readonly #records: Map<string, unknown>;
  readonly #commits: Commits;
  readonly #letGo: () => void;
  #closing: Promise<void> | null = null;

  constructor(storage: Storage, onNotice: (message: string) => void, releaseDir: () => void) {
    this.#records = new Map(storage.records);
    this.#commits = new Commits({ storage, current: (name) => this.#records.get(name) ?? null, onNotice });
    this.#letGo = () => {
      this.#commits.close();
      try {
        storage.close();
      } finally {
        releaseDir();
      }
    };
  }

  accounts(): readonly AccountRecord[] {
    return this.#all('a:') as AccountRecord[];
  }

  keys(): readonly KeyRecord[] {
    return this.#all('k:') as KeyRecord[];
  }

  save(records: readonly AccountRecord[]): Promise<void> {
    return this.#change(records.map((record) => [`a:${record.id}`, record]));
  }

  remove(ids: readonly string[]): Promise<void> {
    const names = ids.map((id) => `a:${id}`).filter((name) => this.#records.has(name));
    return this.#change(names.map((name) => [name, null]));
  }

  saveKey(record: KeyRecord): Promise<void> {
    return this.#change([[`k:${record.id}`, record]]);
  }

  removeKey(id: string): Promise<void> {
    return this.#change([[`k:${id}`, null]]);
  }

  note(record: AccountRecord): void {
    const name = `a:${record.id}`;
    if (this.#closing !== null || !this.#records.has(name)) return;
    this.#records.set(name, record);
    this.#commits.note(name);
  }

  importedHash(fileName: string): string | null {
    const hash = this.#records.get(`i:${fileName}`);
    return typeof hash === 'string' ? hash : null;
  }

  saveImported(fileName: string, hash: string): Promise<void> {
    return this.#change([[`i:${fileName}`, hash]]);
  }

  async flush(): Promise<void> {
    if (this.#closing === null) await this.#commits.flush();
    else await this.#closing;
  }

  close(): Promise<void> {
    this.#closing ??= this.#commits.flush().finally(this.#letGo);
    return this.#closing;
  }

  #all(prefix: string): unknown[] {
    return [...this.#records].filter(([name]) => name.startsWith(prefix)).map(([, record]) => record);
  }

  async #change(changes: readonly (readonly [name: string, record: unknown])[]): Promise<void> {
    if (this.#closing !== null)
      throw new StoreError('The program is ending: changes are not accepted any more.');
    for (const [name, record] of changes) {
      if (record === null) this.#records.delete(name);
      else this.#records.set(name, record);
    }
    await this.#commits.put(changes.map(([name]) => name));
  }
}
