import type { ChatError } from '../errors.ts';

/** Links of our own are paths that begin so; the edge puts its address before them. All others are whole URLs. */
export const FILES_PATH = '/files/';

/** How a file's answer begins. */
export interface FileHead {
  /** 200, 206 for the part that was asked for, or 416 when there is no such part (then without a body). */
  readonly status: 200 | 206 | 416;
  /** Those of upstream's headers that describe the bytes; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes to come; null: upstream does not say. */
  readonly size: number | null;
  /** As upstream called the file earlier, for when the headers do not. */
  readonly name: string | null;
}

/** Receives one file. Calls come in order: onHead, onBytes*, then onEnd or onFailure once. */
export interface FileReader {
  onHead(head: FileHead): void;
  /** The chunk belongs to the callee for the duration of the call only. */
  onBytes(chunk: Uint8Array): void;
  onEnd(): void;
  /** Also for failures before `onHead`. */
  onFailure(error: ChatError): void;
}

/** The other direction. All idempotent; after `abort` the reader hears nothing more. */
export interface FileControl {
  pause(): void;
  resume(): void;
  abort(): void;
}

/** The part of a file that is asked for, as `range` and `if-range` headers; null: not sent. */
export interface FilePart {
  readonly range: string | null;
  readonly ifRange: string | null;
}

/** The bytes behind the links that the port `link` gives out. */
export interface Files {
  /** Streams the file of one of our own links, `/files/{token}`; null: nobody knows the token (any more). */
  open(token: string, part: FilePart, reader: FileReader): FileControl | null;
  /** All bytes behind any link. Rejects with a ChatError, also when they are too many or too slow, or the signal's reason. */
  read(link: string, signal: AbortSignal): Promise<Uint8Array>;
}
