import type { Attachment } from '../conversation/turn.ts';
import { readImageHeaderOfBase64 } from '../images/image-header.ts';

const TOKENS_PER_LOOK = 85;
const TOKENS_PER_TILE = 170;
const TILE_PIXELS = 512;
const LONGER_SIDE_PIXELS = 2048;
const SHORTER_SIDE_PIXELS = 768;
const BYTES_PER_TOKEN = 1000;

/**
 * What a file adds to the prompt. An image by URL is counted as one look at it, for its size is not
 * known when the count is made; other files by their length.
 */
export function attachmentTokens({ source, mimeType, lowDetail }: Attachment): number {
  if (source.kind === 'url') return TOKENS_PER_LOOK;
  const image = readImageHeaderOfBase64(source.base64);
  if (image !== null && !lowDetail) return imageTokens(image.width, image.height);
  if (image !== null || mimeType?.startsWith('image/') === true) return TOKENS_PER_LOOK;
  return Math.floor(Buffer.byteLength(source.base64, 'base64') / BYTES_PER_TOKEN);
}

/** OpenAI's rule: scaled down into a square, then to a shorter side, and cut into tiles. Sides in pixels. */
export function imageTokens(width: number, height: number): number {
  const fitted = scaledDown([width, height], LONGER_SIDE_PIXELS / Math.max(width, height));
  const [wide, high] = scaledDown(fitted, SHORTER_SIDE_PIXELS / Math.min(...fitted));
  return TOKENS_PER_TILE * Math.ceil(wide / TILE_PIXELS) * Math.ceil(high / TILE_PIXELS) + TOKENS_PER_LOOK;
}

function scaledDown([width, height]: [number, number], factor: number): [number, number] {
  if (factor >= 1) return [width, height];
  return [Math.max(1, Math.trunc(width * factor)), Math.max(1, Math.trunc(height * factor))];
}
