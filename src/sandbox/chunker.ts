import type { Chunking } from './scenario.ts';

/** Cuts the bytes of a stream into writes. */
export interface Chunker {
  /** The writes that are due once these bytes are there. */
  cut(bytes: Buffer): readonly Buffer[];
  /** What is still held back. */
  flush(): readonly Buffer[];
}

const LF = 10;
const CR = 13;

export function createChunker(chunking: Chunking): Chunker {
  if (typeof chunking === 'object') return createSizeChunker(chunking.size);
  const isCut = chunking === 'byte' ? () => true : isAwkward;
  return {
    cut: (bytes) => (chunking === 'whole' ? [bytes] : cutWhere(bytes, isCut)),
    flush: () => [],
  };
}

/** Holds bytes back until a write of the full size is there. */
function createSizeChunker(size: number): Chunker {
  let held: Buffer = Buffer.alloc(0);
  return {
    cut(bytes) {
      const all = Buffer.concat([held, bytes]);
      const whole = all.length - (all.length % size);
      held = all.subarray(whole);
      return Array.from({ length: whole / size }, (_, index) =>
        all.subarray(index * size, (index + 1) * size),
      );
    },
    flush() {
      const rest = held.length === 0 ? [] : [held];
      held = Buffer.alloc(0);
      return rest;
    },
  };
}

function cutWhere(bytes: Buffer, isCut: (bytes: Buffer, at: number) => boolean): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let start = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    if (!isCut(bytes, at)) continue;
    chunks.push(bytes.subarray(start, at));
    start = at;
  }
  return [...chunks, bytes.subarray(start)];
}

/** Before every byte that continues a character, and between two line ends. */
function isAwkward(bytes: Buffer, at: number): boolean {
  const byte = bytes[at] ?? 0;
  const before = bytes[at - 1] ?? 0;
  const continues = (byte & 0xc0) === 0x80;
  return continues || (isLineEnd(byte) && isLineEnd(before));
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR;
}
