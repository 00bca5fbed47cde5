export interface ImageSize {
  readonly format: 'PNG' | 'GIF' | 'JPEG' | 'WebP';
  readonly width: number;
  readonly height: number;
}

/** Read from the header; null when the bytes are no image of the four common formats. */
export function readImageSize(bytes: Buffer): ImageSize | null {
  try {
    return readPng(bytes) ?? readGif(bytes) ?? readJpeg(bytes) ?? readWebp(bytes);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readPng(bytes: Buffer): ImageSize | null {
  if (bytes.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') return null;
  return { format: 'PNG', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function readGif(bytes: Buffer): ImageSize | null {
  if (!/^GIF8[79]a/.test(bytes.toString('latin1', 0, 6))) return null;
  return { format: 'GIF', width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}

/** Walks from segment to segment to the one that starts a frame. */
function readJpeg(bytes: Buffer): ImageSize | null {
  if (bytes.toString('latin1', 0, 3) !== '\xff\xd8\xff') return null;
  for (let at = 2; ; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes.readUInt8(at + 1);
    const startsFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (startsFrame)
      return { format: 'JPEG', width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
  }
}

function readWebp(bytes: Buffer): ImageSize | null {
  if (!/^RIFF[^]{4}WEBP/.test(bytes.toString('latin1', 0, 12))) return null;
  const toSize = (width: number, height: number): ImageSize => ({ format: 'WebP', width, height });
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return toSize(bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff);
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return toSize((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 'VP8X':
      return toSize(bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1);
    default:
      return null;
  }
}
