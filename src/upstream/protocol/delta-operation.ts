import { isRecord } from './loose.ts';

/** The operations of a v1 stream that change one place of a document; `patch` is a list of them. */
const OPERATIONS = ['add', 'replace', 'append', 'patch', 'remove', 'truncate'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Where the text of nearly every message grows. */
export const TEXT_PLACES: ReadonlySet<string> = new Set([
  '/message/content/parts/0',
  '/message/content/text',
]);

const MAX_DEPTH = 32;
/** UTF-16 units of one text. */
export const MAX_TEXT_LENGTH = 16 * 1024 * 1024;
const MAX_ITEMS = 100_000;

type Container = Record<string, unknown> | unknown[];

export function isOperation(value: unknown): value is Operation {
  return OPERATIONS.includes(value as Operation);
}

/** A JSON pointer's keys. */
export type Pointer = readonly string[];

/**
 * Changes `root` in place at `keys` (not the root itself). False: the pointer leads nowhere, or the
 * value does not fit, or a cap would be passed; then nothing was changed.
 */
export function applyOperation(root: object, operation: Operation, keys: Pointer, value: unknown): boolean {
  const last = keys.at(-1);
  if (last === undefined) return operation === 'append' && mergeInto(root, value);
  const container = follow(root, keys);
  if (container === null) return false;
  switch (operation) {
    case 'add':
      return add(container, last, value);
    case 'replace':
      return replace(container, last, value);
    case 'append':
      return append(container, last, value);
    case 'remove':
      return remove(container, last);
    case 'truncate':
      return truncate(container, last, value);
    case 'patch':
      return false;
  }
}

/** Null for what is no pointer, too deep, or aims at a prototype. */
export function parsePointer(path: string): Pointer | null {
  if (path === '') return [];
  if (!path.startsWith('/')) return null;
  const keys = path.slice(1).split('/', MAX_DEPTH + 1);
  if (keys.length > MAX_DEPTH) return null;
  const plain = path.includes('~')
    ? keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    : keys;
  return plain.includes('__proto__') ? null : plain;
}

/** The container that holds the last key, or null. */
function follow(root: object, keys: readonly string[]): Container | null {
  let here: unknown = root;
  for (let at = 0; at < keys.length - 1; at += 1) {
    if (!isContainer(here)) return null;
    here = read(here, keys[at] as string);
  }
  return isContainer(here) ? here : null;
}

function read(container: Container, key: string): unknown {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) ? container[key] : undefined;
  const index = indexOf(container, key);
  return index === null ? undefined : container[index];
}

function add(container: Container, key: string, value: unknown): boolean {
  if (!Array.isArray(container)) return setMember(container, key, value);
  const index = key === '-' ? container.length : toIndex(key);
  if (index === null || index > container.length || container.length >= MAX_ITEMS) return false;
  container.splice(index, 0, value);
  return true;
}

function replace(container: Container, key: string, value: unknown): boolean {
  if (!Array.isArray(container)) return setMember(container, key, value);
  const index = indexOf(container, key);
  if (index === null) return false;
  container[index] = value;
  return true;
}

function append(container: Container, key: string, value: unknown): boolean {
  const current = read(container, key);
  if (current === undefined || current === null) return add(container, key, value);
  if (typeof current === 'string') return appendText(container, key, current, value);
  if (Array.isArray(current)) return appendItems(current, value);
  return mergeInto(current, value);
}

function appendText(container: Container, key: string, current: string, value: unknown): boolean {
  if (typeof value !== 'string' || current.length + value.length > MAX_TEXT_LENGTH) return false;
  return replace(container, key, current + value);
}

function appendItems(items: unknown[], value: unknown): boolean {
  const added = Array.isArray(value) ? value : [value];
  if (items.length + added.length > MAX_ITEMS) return false;
  for (const item of added) items.push(item);
  return true;
}

function mergeInto(target: unknown, value: unknown): boolean {
  if (!isRecord(target) || !isRecord(value)) return false;
  for (const key of Object.keys(value)) {
    if (key !== '__proto__') target[key] = value[key];
  }
  return true;
}

function remove(container: Container, key: string): boolean {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) && delete container[key];
  const index = indexOf(container, key);
  if (index === null) return false;
  container.splice(index, 1);
  return true;
}

function truncate(container: Container, key: string, value: unknown): boolean {
  const current = read(container, key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return false;
  if (typeof current === 'string') return replace(container, key, firstCharacters(current, value));
  if (!Array.isArray(current)) return false;
  if (value < current.length) current.length = value;
  return true;
}

/** Characters are code points: the backend counts as Python does. */
function firstCharacters(text: string, count: number): string {
  let end = 0;
  for (let seen = 0; seen < count && end < text.length; seen += 1) {
    end += (text.codePointAt(end) as number) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

function setMember(container: Record<string, unknown>, key: string, value: unknown): boolean {
  container[key] = value;
  return true;
}

/** The index of an existing item, or null. */
function indexOf(items: readonly unknown[], key: string): number | null {
  const index = toIndex(key);
  return index !== null && index < items.length ? index : null;
}

function toIndex(key: string): number | null {
  return /^(0|[1-9]\d{0,8})$/.test(key) ? Number(key) : null;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}
