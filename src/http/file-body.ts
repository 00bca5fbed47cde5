import type { FileHead } from '../chat/file-ports.ts';
import { fileHeaders } from './file-headers.ts';
import type { Reply } from './reply.ts';

/** The bytes of a file on their way into a reply. */
export interface FileBody {
  /** False: write no more until `onTaken`. */
  write(chunk: Uint8Array): boolean;
  /** Upstream has no more. */
  end(): void;
}

/** Begins the answer with the file's first bytes; `onTaken` is called each time when writing may go on. */
export function openFileBody(
  reply: Reply,
  head: FileHead,
  first: Uint8Array,
  onTaken: () => void,
): { readonly body: FileBody; readonly taken: boolean } {
  if (head.size === null) return openChunked(reply, head, first, onTaken);
  const taken = reply.startSized(head.status, fileHeaders(head), head.size, first, onTaken);
  return { body: sizedBody(reply, head.size, first.byteLength), taken };
}

/** Its end comes by itself with the last byte; what ends before that was cut. */
function sizedBody(reply: Reply, size: number, already: number): FileBody {
  let given = already;
  return {
    write(chunk) {
      given += chunk.byteLength;
      return reply.writeSized(chunk);
    },
    end() {
      if (given < size) reply.cut('error');
    },
  };
}

/**
 * Nobody knows the size. Native code takes every chunk and says when it had to keep some; what it keeps
 * leaves with the next one, or with the end.
 */
function openChunked(
  reply: Reply,
  head: FileHead,
  first: Uint8Array,
  onTaken: () => void,
): { readonly body: FileBody; readonly taken: boolean } {
  reply.startStream(head.status, fileHeaders(head), first);
  reply.onWritable(onTaken);
  const body = { write: (chunk: Uint8Array) => reply.writeChunk(chunk), end: () => reply.endStream() };
  return { body, taken: true };
}
