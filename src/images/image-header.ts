import { imageDimensionsFromData } from 'image-dimensions';

export interface ImageHeader {
  readonly mimeType: string;
  /** In pixels as stored, before any rotation. At least 1. */
  readonly width: number;
  readonly height: number;
}

/** How much of a file is looked at; photographs carry thumbnails and colour profiles before their size. */
export const IMAGE_HEAD_BYTES = 256 * 1024;

/** Kind and size of an image from the first bytes of its file; null: not an image that we can read. */
export function readImageHeader(head: Uint8Array): ImageHeader | null {
  const found = readDimensions(head);
  return found !== null && found.width >= 1 && found.height >= 1 ? found : null;
}

/** The same of a base64 text, of which only the beginning is decoded. */
export function readImageHeaderOfBase64(base64: string): ImageHeader | null {
  return readImageHeader(Buffer.from(base64.slice(0, (IMAGE_HEAD_BYTES / 3) * 4), 'base64'));
}

function readDimensions(head: Uint8Array): ImageHeader | null {
  try {
    const found = imageDimensionsFromData(head);
    if (found === undefined) return readBitmap(head);
    return { mimeType: `image/${found.type}`, width: found.width, height: found.height };
  } catch {
    return null;
  }
}

/** The one common format that the library leaves out. A negative height tells the order of its rows. */
function readBitmap(head: Uint8Array): ImageHeader | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint16(0) !== 0x42_4d) return null;
  const height = Math.abs(view.getInt32(22, true));
  return { mimeType: 'image/bmp', width: view.getInt32(18, true), height };
}
