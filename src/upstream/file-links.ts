import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { FILES_PATH } from '../chat/file-ports.ts';
import type { Session } from '../chat/ports.ts';

/** A file that only its session may fetch. */
interface KeptFile {
  readonly session: Session;
  /** Path and query at the session's origin. */
  readonly path: string;
  /** As upstream calls it, where it does. */
  readonly name: string | null;
  readonly mimeType: string | null;
}

/** Links of our own to such files. They hold no secret: the table behind them does, in memory only. */
export interface FileLinks {
  /** `/files/{token}`, good for an hour. */
  keep(file: KeptFile): string;
  /** What a token stands for; null: forged, expired, or pushed out by newer ones. */
  find(token: string): KeptFile | null;
}

export interface FileLinksOptions {
  readonly nowMs: () => number;
  /** Signs the tokens; a new one for each process, as the table is. */
  readonly key?: Uint8Array;
  readonly maxLinks?: number;
}

const LIFE_MS = 60 * 60_000;
/** Some hundred bytes each. */
const MAX_LINKS = 10_000;
const ID_BYTES = 16;

/** Id, end of life in ms in base 36, and the signature of both. */
const TOKEN = /^(([\w-]{22})\.([0-9a-z]{1,11}))\.([\w-]{43})$/;

export function createFileLinks(options: FileLinksOptions): FileLinks {
  const { nowMs, key = randomBytes(32), maxLinks = MAX_LINKS } = options;
  /** The least recently used first. */
  const files = new Map<string, KeptFile>();

  const sign = (text: string): Buffer => createHmac('sha256', key).update(text).digest();

  function remember(id: string, file: KeptFile): void {
    files.delete(id);
    files.set(id, file);
    const [oldest] = files.keys();
    if (files.size > maxLinks && oldest !== undefined) files.delete(oldest);
  }

  return {
    keep(file) {
      const id = randomBytes(ID_BYTES).toString('base64url');
      const signed = `${id}.${(nowMs() + LIFE_MS).toString(36)}`;
      remember(id, file);
      return `${FILES_PATH}${signed}.${sign(signed).toString('base64url')}`;
    },
    find(token) {
      const [, signed = '', id = '', end = '', signature = ''] = TOKEN.exec(token) ?? [];
      if (!timingSafeEqual(sign(signed), toDigest(signature))) return null;
      const file = files.get(id);
      if (file === undefined) return null;
      if (nowMs() < Number.parseInt(end, 36)) {
        remember(id, file);
        return file;
      }
      files.delete(id);
      return null;
    },
  };
}

/** Always as long as a signature, so that comparing cannot throw. */
function toDigest(text: string): Buffer {
  const digest = Buffer.alloc(32);
  digest.write(text, 'base64url');
  return digest;
}
