import { isRecord, itemsOf } from './loose.ts';
import type { WireImage, WireMessage } from './wire.ts';

const MAX_IMAGES = 64;
const MAX_POINTER_LENGTH = 512;
const POINTER = /^(?:file-service|sediment):\/\/\S+$/;

/** Pointers of the images in a message: parts of it, or what its code drew. */
export function imagesIn({ content, metadata }: WireMessage): string[] {
  const pointers: string[] = [];
  for (const part of itemsOf(content?.parts, MAX_IMAGES)) addPointer(pointers, partPointer(part));
  const drawn = itemsOf(metadata?.aggregate_result?.messages, MAX_IMAGES);
  for (const message of drawn) addPointer(pointers, drawnPointer(message));
  return pointers;
}

function addPointer(pointers: string[], pointer: unknown): void {
  if (isPointer(pointer)) pointers.push(pointer);
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
