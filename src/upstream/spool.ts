import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes put aside on disk because their number must be known before they are sent. */
export interface Spool {
  readonly sizeBytes: number;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Frees the space. Idempotent, and due in any case. */
  close(): void;
}

const READ_BYTES = 64 * 1024;

/** Reads `chunks` to their end. The file loses its name at once, so that nothing is left behind, come what may. */
export async function createSpool(chunks: AsyncIterable<Uint8Array>, directory: string): Promise<Spool> {
  const path = join(directory, `chat2api-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    file.close().catch(() => {});
  };
  try {
    await unlink(path);
    let sizeBytes = 0;
    for await (const chunk of chunks) {
      await file.writeFile(chunk);
      sizeBytes += chunk.length;
    }
    return { sizeBytes, bytes: readFrom(file, sizeBytes), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function* readFrom(file: FileHandle, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
