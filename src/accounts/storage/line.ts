import { createHash } from 'node:crypto';
import type { Seal } from './sealed.ts';

/**
 * One record as it lies on the disk. It says by itself whose it is, how new, and whether it is whole, so
 * that it can be found in the bytes of a database that is broken:
 *
 *     c2a1 <store> <sequence> <name> <form> <payload> <check>\n
 *
 * All of it is printable ASCII. `form`: `p` plain JSON, `s` sealed JSON, `x` removed (no payload).
 */
export interface Line {
  /** Of which store; also the salt of its key. 32 hexadecimal digits. */
  readonly store: string;
  /** Counts the store's transactions: of two lines of a name the higher one holds. */
  readonly sequence: number;
  /** `a:<account id>`, `k:<key id>`, `i:<imported file>`, `s:store`. */
  readonly name: string;
  readonly form: 'p' | 's' | 'x';
  readonly payload: string;
}

/** Opened with a key that is not the one it was sealed with. */
export const UNREADABLE = Symbol('unreadable');

const LINE = /c2a1 ([0-9a-f]{32}) (\d{1,15}) ([akis]:[\w.-]{1,64}) ([psx]) ([ -~]*) ([0-9a-f]{32})\n/g;

/** `record` null: removed. */
export function encodeLine(
  { store, sequence, name }: Pick<Line, 'store' | 'sequence' | 'name'>,
  record: unknown,
  seal: Seal | null,
): string {
  const place = `c2a1 ${store} ${sequence} ${name}`;
  const head = `${place} ${encodePayload(record, place, seal)}`;
  return `${head} ${checkOf(head)}\n`;
}

function encodePayload(record: unknown, place: string, seal: Seal | null): string {
  if (record === null) return 'x ';
  const json = toAscii(JSON.stringify(record));
  return seal === null ? `p ${json}` : `s ${seal.seal(json, place)}`;
}

function toAscii(json: string): string {
  return json.replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** All lines in the bytes that are whole, wherever they are, in no order. */
export function findLines(bytes: Buffer): Line[] {
  const lines: Line[] = [];
  for (const match of bytes.toString('latin1').matchAll(LINE)) {
    const [whole, store = '', sequence = '', name = '', form, payload = '', check] = match;
    if (check !== checkOf(whole.slice(0, -34))) continue;
    lines.push({ store, sequence: Number(sequence), name, form: form as Line['form'], payload });
  }
  return lines;
}

/** The record; null: removed. The check says that we wrote it, so its shape is what was written. */
export function readRecord(line: Line, seal: Seal | null): unknown {
  if (line.form === 'x') return null;
  if (line.form === 'p') return JSON.parse(line.payload);
  const place = `c2a1 ${line.store} ${line.sequence} ${line.name}`;
  const json = seal?.open(line.payload, place) ?? null;
  return json === null ? UNREADABLE : JSON.parse(json);
}

/** 128 bits: no flipped bit passes. It proves nothing against somebody who writes to the disk. */
function checkOf(head: string): string {
  return createHash('sha256').update(head).digest('hex').slice(0, 32);
}
