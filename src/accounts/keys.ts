import { keyDigest, keyIdOf } from './key-id.ts';
import type { KeyLimits, KeyRecord } from './records.ts';

export interface KeysOptions {
  /** AUTHORIZATION. */
  readonly environment: readonly string[];
  /** Of KEYS_FILE. */
  readonly file: readonly KeyRecord[];
  /** Made by the operator while we ran. */
  readonly records: readonly KeyRecord[];
}

export type KeySource = 'environment' | 'file' | 'admin';

/** A key without what it opens. */
export interface KeyEntry {
  readonly id: string;
  readonly name: string;
  readonly source: KeySource;
  readonly limits: KeyLimits;
}

/** What is left out stays as it is. */
export interface KeyChange extends Partial<KeyLimits> {
  readonly name?: string;
}

/**
 * The keys that clients may use. A key of several sources is one: it belongs to the first of them, and
 * the last sets its name and limits.
 */
export interface KeyRing {
  /** The id of the key; null: it is none of ours. */
  find(credential: string): string | null;
  /** There is no key at all. */
  readonly isOpen: boolean;
  /** Null: there is no such key. */
  limits(id: string): KeyLimits | null;
  add(record: KeyRecord): void;
  /**
   * The key as it is then; null: there is none. What is not of the `admin` source has its limits until we
   * end, as it must be gone when its source lets it go.
   */
  change(id: string, change: KeyChange): KeyRecord | null;
  /** False: there is no such key, or only its own source, outside of us, can take it away. */
  remove(id: string): boolean;
  entries(): readonly KeyEntry[];
  /** What must be kept over restarts: the keys of the `admin` source. */
  records(): readonly KeyRecord[];
}

interface Held {
  readonly record: KeyRecord;
  readonly source: KeySource;
}

const NO_LIMITS: KeyLimits = { requestsPerMinute: null, concurrentStreams: null };

export function createKeys({ environment, file, records }: KeysOptions): KeyRing {
  /** By id, which is the digest's beginning: the time of a look-up tells of digests only, and they tell nothing of keys. */
  const held = new Map<string, Held>();

  function hold(record: KeyRecord, source: KeySource): void {
    held.set(record.id, { record, source: held.get(record.id)?.source ?? source });
  }

  for (const [index, key] of environment.entries())
    hold(toRecord(key, `AUTHORIZATION ${index + 1}`, NO_LIMITS, 0), 'environment');
  for (const record of file) hold(record, 'file');
  for (const record of records) hold(record, 'admin');

  return {
    find(credential) {
      const record = held.get(keyIdOf(credential))?.record;
      return record?.sha256 === keyDigest(credential) ? record.id : null;
    },
    get isOpen() {
      return held.size === 0;
    },
    limits: (id) => held.get(id)?.record.limits ?? null,
    add: (record) => hold(record, 'admin'),
    change(id, { name, ...limits }) {
      const found = held.get(id);
      if (found === undefined) return null;
      const { record, source } = found;
      const changed = { ...record, name: name ?? record.name, limits: { ...record.limits, ...limits } };
      hold(changed, source);
      return changed;
    },
    remove: (id) => held.get(id)?.source === 'admin' && held.delete(id),
    entries: () =>
      [...held.values()].map(({ record: { id, name, limits }, source }) => ({ id, name, source, limits })),
    records: () => [...held.values()].filter(({ source }) => source === 'admin').map(({ record }) => record),
  };
}

/** A key as it may be kept; the key itself is not in it. */
export function toRecord(key: string, name: string, limits: KeyLimits, addedMs: number): KeyRecord {
  return { id: keyIdOf(key), sha256: keyDigest(key), name, addedMs, limits };
}
