import { readFileSync } from 'node:fs';
import { keyDigest, keyIdOf } from './key-id.ts';
import { isRecord } from './loose-json.ts';
import type { JsonObject } from './loose-json.ts';
import type { KeyLimits, KeyRecord } from './records.ts';
import { StoreError, failureCode } from './store-error.ts';

const FIELDS = new Set(['key', 'name', 'requests_per_minute', 'concurrent_streams']);
const EXAMPLE = '[{"key":"sk-...","name":"team a","requests_per_minute":60,"concurrent_streams":4}]';
const MAX_NAME_CHARS = 100;
const MAX_LIMIT = 1_000_000;

/**
 * The keys of KEYS_FILE with their limits. A key that AUTHORIZATION has too gets its limits here.
 * Throws StoreError, which names entry and field and never a key.
 */
export function readKeysFile(path: string, nowMs: number): readonly KeyRecord[] {
  const records = new Map<string, KeyRecord>();
  for (const [index, entry] of readEntries(path).entries()) {
    const refuse = (problem: string): StoreError => keysError(path, `entry ${index + 1}: ${problem}`);
    const record = toRecord(entry, nowMs, refuse);
    if (records.has(record.id)) throw refuse('the key stands in an earlier entry already');
    records.set(record.id, record);
  }
  return [...records.values()];
}

function readEntries(path: string): readonly unknown[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw keysError(path, `cannot be read (${failureCode(thrown)})`);
  }
  const entries = parseJson(text.replace(/^\uFEFF/, ''));
  if (!Array.isArray(entries)) throw keysError(path, 'is not a JSON array');
  return entries;
}

/** Without the parser's own message, which repeats what it read. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function toRecord(entry: unknown, nowMs: number, refuse: (problem: string) => StoreError): KeyRecord {
  if (!isRecord(entry)) throw refuse('is not an object');
  if (Object.keys(entry).some((field) => !FIELDS.has(field))) {
    throw refuse(`has a field that is not one of ${[...FIELDS].join(', ')}`);
  }
  const { key, name } = entry;
  if (typeof key !== 'string' || !/^[\x21-\x2b\x2d-\x7e]+$/.test(key)) {
    throw refuse('"key" must be text of visible ASCII characters, without spaces and commas');
  }
  const id = keyIdOf(key);
  if (name !== undefined && (typeof name !== 'string' || name.length > MAX_NAME_CHARS)) {
    throw refuse(`"name" must be text of up to ${MAX_NAME_CHARS} characters`);
  }
  return { id, sha256: keyDigest(key), name: name ?? id, addedMs: nowMs, limits: toLimits(entry, refuse) };
}

function toLimits(entry: JsonObject, refuse: (problem: string) => StoreError): KeyLimits {
  const limit = (field: string): number | null => {
    const value = entry[field] ?? null;
    if (value === null) return null;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_LIMIT)
      return value;
    throw refuse(`"${field}" must be a whole number from 1 to ${MAX_LIMIT}, or null for no limit`);
  };
  return { requestsPerMinute: limit('requests_per_minute'), concurrentStreams: limit('concurrent_streams') };
}

function keysError(path: string, problem: string): StoreError {
  return new StoreError(`KEYS_FILE: ${path}: ${problem} (example: ${EXAMPLE})`);
}
