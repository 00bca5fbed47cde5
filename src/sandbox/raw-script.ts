import { begin, type Scene } from './flows/scene.ts';
import { isObject, type JsonObject } from './json-shape.ts';
import type { ScriptEntry } from './scenario.ts';
import type { Message, Step } from './script.ts';

/** The steps that a scenario spells out, and nothing else. */
export function* toRawSteps(scene: Scene, entries: readonly ScriptEntry[]): Generator<Step> {
  const known = new Map<string, Message>();
  let latest: string | null = null;
  for (const entry of entries) {
    const only = entry.only === undefined ? {} : { only: entry.only };
    if ('event' in entry) {
      yield { kind: 'raw', value: entry.event, ...only };
      continue;
    }
    const id: string =
      typeof entry.message['id'] === 'string' ? entry.message['id'] : (latest ?? scene.newId());
    const message = revise(known.get(id) ?? begin(scene, { id }), entry.message);
    known.set(id, message);
    latest = id;
    yield { kind: 'message', message, paced: entry.paced ?? false, ...only };
  }
}

function revise(before: Message, fields: JsonObject): Message {
  const author = isObject(fields['author']) ? { ...before.author, ...fields['author'] } : before.author;
  return { ...before, ...fields, author };
}

/** The pointers to images and the paths of files that a script mentions. */
export function findMentions(entries: readonly ScriptEntry[]): {
  readonly images: readonly { readonly pointer: string; readonly width: number; readonly height: number }[];
  readonly paths: readonly string[];
} {
  const images = objectsIn(entries)
    .map(({ asset_pointer, image_url, width, height }) => ({
      pointer: [asset_pointer, image_url].find((pointer) => typeof pointer === 'string') ?? '',
      width: toSide(width),
      height: toSide(height),
    }))
    .filter(({ pointer }) => /^(?:file-service|sediment):/.test(pointer));
  const links = JSON.stringify(entries).matchAll(/\(sandbox:([^)"\\]+)\)/g);
  return { images, paths: [...links].map(([, path = '']) => path) };
}

const MAX_SIDE = 1024;

function toSide(length: unknown): number {
  return Number.isInteger(length) ? Math.min(Math.max(Number(length), 1), MAX_SIDE) : 1;
}

function objectsIn(value: unknown): readonly JsonObject[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  return isObject(value) ? [value, ...Object.values(value).flatMap(objectsIn)] : [];
}
