import { isRecord, itemsOf } from './loose.ts';
import type { WireImage, WireMessage } from './wire.ts';

const MAX_IMAGES = 64;
const MAX_POINTER_LENGTH = 512;
const POINTER = /^(?:file-service|sediment):\/\/\S+$/;

/** Pointers of the images in a message: parts of it, or what its code drew. */
export function imagesIn({ content, metadata }: WireMessage): string[] {
  const parts = itemsOf(content?.parts, MAX_IMAGES).map(partPointer);
  const drawn = itemsOf(metadata?.aggregate_result?.messages, MAX_IMAGES).map(drawnPointer);
  return [...parts, ...drawn].filter((pointer) => isPointer(pointer));
}

function partPointer(part: unknown): unknown {
  if (!isRecord(part)) return null;
  const { content_type: type, asset_pointer: pointer }: WireImage = part;
  return type === 'image_asset_pointer' ? pointer : null;
}

function drawnPointer(message: unknown): unknown {
  if (!isRecord(message)) return null;
  const { message_type: type, image_url: pointer }: WireImage = message;
  return type === 'image' ? pointer : null;
}

function isPointer(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_POINTER_LENGTH && POINTER.test(value);
}
