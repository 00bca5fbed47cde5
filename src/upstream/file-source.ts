import { ChatError } from '../errors.ts';
import type { Attachment } from '../conversation/turn.ts';
import { IMAGE_HEAD_BYTES } from '../images/image-header.ts';
import type { FetchFile } from '../outbound/fetch-file.ts';
import { fileTooLarge } from '../outbound/file-failure.ts';
import { createSpool } from './spool.ts';

/** A user's file, ready to be sent. */
export interface OpenFile {
  /** As its server said; null: it did not, or there is none. */
  readonly mimeType: string | null;
  /** At least 1. */
  readonly sizeBytes: number;
  /** The first bytes, at most 256 KiB. */
  readonly head: Uint8Array;
  /** All of it, once. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Idempotent, and due in any case. */
  close(): void;
}

export type OpenAttachment = (attachment: Attachment, signal: AbortSignal) => Promise<OpenFile>;

export interface FileSourceOptions {
  readonly fetchFile: FetchFile;
  /** MAX_FILE_BYTES. */
  readonly maxBytes: number;
  /** Where files of unknown length wait. */
  readonly spoolDirectory: string;
}

/** A multiple of 4, so that each slice decodes alone. */
const BASE64_SLICE_CHARS = 64 * 1024;

/**
 * Opens attachments. No file is ever held as a whole: base64 is decoded slice by slice as it is sent, a
 * URL's bytes pass through at the pace at which upstream takes them. Only a file whose server does not
 * tell its length, and that is longer than the head which we keep anyway, is first put aside on disk.
 */
export function createFileSource(options: FileSourceOptions): OpenAttachment {
  return async (attachment, signal) => {
    const { source, param } = attachment;
    const file =
      source.kind === 'base64'
        ? openBase64(source.base64, param, options.maxBytes)
        : await openUrl(source.url, param, options, signal);
    if (file.sizeBytes > 0) return file;
    file.close();
    throw new ChatError('invalid_attachment', `The attachment in '${param}' is empty.`, { param });
  };
}

function openBase64(base64: string, param: string, maxBytes: number): OpenFile {
  const sizeBytes = Buffer.byteLength(base64, 'base64');
  if (sizeBytes > maxBytes) throw fileTooLarge(param, maxBytes);
  const head = Buffer.from(base64.slice(0, (IMAGE_HEAD_BYTES / 3) * 4), 'base64');
  return { mimeType: null, sizeBytes, head, bytes: decoded(base64), close: () => {} };
}

async function* decoded(base64: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < base64.length; at += BASE64_SLICE_CHARS) {
    yield Buffer.from(base64.slice(at, at + BASE64_SLICE_CHARS), 'base64');
  }
}

async function openUrl(
  url: string,
  param: string,
  { fetchFile, spoolDirectory }: FileSourceOptions,
  signal: AbortSignal,
): Promise<OpenFile> {
  const fetched = await fetchFile(url, param, signal);
  try {
    const { mimeType, chunks } = fetched;
    const { head, isWhole } = await readHead(chunks);
    const bytes = joined(head, chunks);
    const sizeBytes = isWhole ? head.length : fetched.sizeBytes;
    if (sizeBytes !== null) return { mimeType, sizeBytes, head, bytes, close: () => fetched.close() };
    const spool = await createSpool(bytes, spoolDirectory);
    fetched.close();
    return { mimeType, head, ...spool };
  } catch (error) {
    fetched.close();
    throw error;
  }
}

async function readHead(
  chunks: AsyncIterator<Uint8Array>,
): Promise<{ readonly head: Buffer; readonly isWhole: boolean }> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < IMAGE_HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done === true) return { head: Buffer.concat(parts), isWhole: true };
    parts.push(next.value);
    bytes += next.value.length;
  }
  return { head: Buffer.concat(parts), isWhole: false };
}

async function* joined(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  yield* rest;
}
