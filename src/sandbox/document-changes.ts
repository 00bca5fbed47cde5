import { isObject, type JsonObject } from './json-shape.ts';

/** One change to a document. `path` is a JSON Pointer. */
export interface Change {
  readonly path: string;
  readonly operation: 'add' | 'replace' | 'append' | 'truncate' | 'remove';
  /** Absent for `remove`. */
  readonly value?: unknown;
}

/** Members added to these objects are merged in one go, as captures of the backend show. */
const MERGED = /\/metadata$/;

/** Nobody knows whether a length counts such a character once or twice. */
const SURROGATE = /[\ud800-\udfff]/;

/** The changes that turn `before` into `after`, in an order in which they can be applied. */
export function findChanges(before: unknown, after: unknown, path = ''): readonly Change[] {
  if (Object.is(before, after)) return [];
  if (typeof before === 'string' && typeof after === 'string') return changeText(before, after, path);
  if (Array.isArray(before) && Array.isArray(after)) return changeList(before, after, path);
  if (isObject(before) && isObject(after)) return changeObject(before, after, path);
  return [{ path, operation: 'replace', value: after }];
}

function changeText(before: string, after: string, path: string): readonly Change[] {
  // Slices are compared in one go; startsWith takes twice the CPU on a stream of 2,000 words.
  if (after.slice(0, before.length) === before)
    return [{ path, operation: 'append', value: after.slice(before.length) }];
  if (before.startsWith(after) && !SURROGATE.test(after))
    return [{ path, operation: 'truncate', value: after.length }];
  return [{ path, operation: 'replace', value: after }];
}

function changeList(before: readonly unknown[], after: readonly unknown[], path: string): readonly Change[] {
  if (after.length < before.length) return [{ path, operation: 'replace', value: after }];
  const kept = before.flatMap((item, index) => findChanges(item, after[index], `${path}/${index}`));
  const tail = after.slice(before.length);
  return tail.length === 0 ? kept : [...kept, { path, operation: 'append', value: tail }];
}

function changeObject(before: JsonObject, after: JsonObject, path: string): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, value] of Object.entries(before)) {
    // Identity first: most members of a revision are those of the one before.
    if (Object.is(value, after[key]) && Object.hasOwn(after, key)) continue;
    const member = `${path}/${escapeKey(key)}`;
    if (Object.hasOwn(after, key)) changes.push(...findChanges(value, after[key], member));
    else changes.push({ path: member, operation: 'remove' });
  }
  return [...changes, ...addMembers(before, after, path)];
}

function addMembers(before: JsonObject, after: JsonObject, path: string): readonly Change[] {
  const added = Object.entries(after).filter(([key]) => !Object.hasOwn(before, key));
  if (added.length === 0) return [];
  if (MERGED.test(path)) return [{ path, operation: 'append', value: Object.fromEntries(added) }];
  return added.map(([key, value]) => ({ path: `${path}/${escapeKey(key)}`, operation: 'add', value }));
}

function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
