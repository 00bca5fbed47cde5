import { crc32, deflateSync } from 'node:zlib';

type Color = readonly [number, number, number];

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const BYTES_PER_PIXEL = 3;

/** A PNG of a few rings before a sky; its colours and their place follow from the text. */
export function drawPicture(text: string, width: number, height: number): Buffer {
  const hash = crc32(text);
  const [sky, ring] = [toColor(hash), toColor(~hash)];
  const centre = [(0.25 + ((hash >>> 8) % 50) / 100) * width, (0.25 + ((hash >>> 16) % 50) / 100) * height];
  const size = Math.max(2, Math.min(width, height) / 8);
  return encodePng(width, height, (x, y) => {
    const distance = Math.hypot(x - (centre[0] ?? 0), y - (centre[1] ?? 0));
    return distance < 3 * size && Math.floor(distance / size) % 2 === 0 ? ring : shade(sky, y / height);
  });
}

function encodePng(width: number, height: number, colorAt: (x: number, y: number) => Color): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits for each of red, green and blue.
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + width * BYTES_PER_PIXEL));
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    // Each row begins with its filter: none.
    at += 1;
    for (let x = 0; x < width; x += 1) {
      rows.set(colorAt(x, y), at);
      at += BYTES_PER_PIXEL;
    }
  }
  const chunks = [
    toChunk('IHDR', header),
    toChunk('IDAT', deflateSync(rows)),
    toChunk('IEND', Buffer.alloc(0)),
  ];
  return Buffer.concat([SIGNATURE, ...chunks]);
}

function toChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

function toColor(bits: number): Color {
  return [(bits >>> 16) & 0xff, (bits >>> 8) & 0xff, bits & 0xff];
}

function shade([red, green, blue]: Color, depth: number): Color {
  const fade = 1 - depth / 2;
  return [Math.floor(red * fade), Math.floor(green * fade), Math.floor(blue * fade)];
}
