import { checkFields, list, object, text, whole, type FieldProblem, type Loc } from '../field-checks.ts';
import { isObject, type JsonObject } from '../json-shape.ts';
import { readImageSize } from './image-size.ts';
import { toFileId, type FileStore, type StoredFile } from './file-store.ts';

/** What of a message has to do with files. */
interface Carrier {
  readonly content: JsonObject;
  readonly metadata: JsonObject;
}

/** What is wrong with the files that messages bring; nothing when all is well. */
export function checkAttachments(
  files: FileStore,
  owner: string,
  messages: readonly Carrier[],
): readonly FieldProblem[] {
  const find = (id: string | null): StoredFile | null => {
    const file = id === null ? undefined : files.find(id);
    return file !== undefined && file.owner === owner && file.uploaded ? file : null;
  };
  return messages.flatMap((message, index) => {
    const loc: Loc = ['body', 'messages', index];
    return [...checkEntries(message, loc, find), ...checkPointers(message, loc, find)];
  });
}

/** What a model sees of the files that messages bring. */
export function describeAttachments(files: FileStore, messages: readonly Carrier[]): string {
  const seen = messages
    .flatMap(attachmentsOf)
    .map(({ id }) => files.find(String(id)))
    .filter((file) => file !== undefined)
    .map(describe);
  return seen.length === 0 ? '' : `I see ${seen.join(' and ')}.\n\n`;
}

type Find = (id: string | null) => StoredFile | null;

function checkEntries({ metadata }: Carrier, messageLoc: Loc, find: Find): readonly FieldProblem[] {
  const loc = [...messageLoc, 'metadata', 'attachments'];
  const entries = metadata['attachments'];
  if (entries === undefined) return [];
  if (!Array.isArray(entries)) return list(entries, loc);
  return entries.flatMap((entry: unknown, index) => {
    const at = [...loc, index];
    if (!isObject(entry)) return object(entry, at);
    const problems = checkFields(entry, { id: text, size: whole, name: text }, at, true);
    return problems.length > 0 ? problems : checkEntry(entry, at, find);
  });
}

function checkEntry(entry: JsonObject, loc: Loc, find: Find): readonly FieldProblem[] {
  const file = find(entry['id'] as string);
  if (file === null) return [unknownFile([...loc, 'id'])];
  const image = readImageSize(file.bytes ?? Buffer.alloc(0));
  return [
    ...checkEqual(entry, 'size', file.bytes?.length, loc),
    ...checkEqual(entry, 'name', file.name, loc),
    ...checkEqual(entry, 'mimeType' in entry ? 'mimeType' : 'mime_type', file.mimeType, loc),
    ...('width' in entry || 'height' in entry ? checkSize(entry, image, loc) : []),
  ];
}

function checkPointers(message: Carrier, messageLoc: Loc, find: Find): readonly FieldProblem[] {
  const parts = Array.isArray(message.content['parts']) ? (message.content['parts'] as unknown[]) : [];
  const attached = new Set(attachmentsOf(message).map(({ id }) => id));
  return parts.flatMap((part, index) => {
    if (!isObject(part)) return [];
    const loc = [...messageLoc, 'content', 'parts', index];
    const id = toFileId(part['asset_pointer']);
    const file = find(id);
    if (file === null) return [unknownFile([...loc, 'asset_pointer'])];
    return [
      ...(attached.has(id) ? [] : [mismatch([...loc, 'asset_pointer'], 'one of metadata.attachments')]),
      ...checkEqual(part, 'size_bytes', file.bytes?.length, loc),
      ...checkSize(part, readImageSize(file.bytes ?? Buffer.alloc(0)), loc),
    ];
  });
}

/** Formats that are not understood here are believed. */
function checkSize(
  from: JsonObject,
  image: ReturnType<typeof readImageSize>,
  loc: Loc,
): readonly FieldProblem[] {
  if (image === null) return [];
  return [...checkEqual(from, 'width', image.width, loc), ...checkEqual(from, 'height', image.height, loc)];
}

function checkEqual(from: JsonObject, field: string, wanted: unknown, loc: Loc): readonly FieldProblem[] {
  return from[field] === wanted ? [] : [mismatch([...loc, field], String(wanted))];
}

function attachmentsOf({ metadata }: Carrier): readonly JsonObject[] {
  const entries = metadata['attachments'];
  return Array.isArray(entries) ? entries.filter(isObject) : [];
}

function describe({ name, mimeType, bytes }: StoredFile): string {
  const image = readImageSize(bytes ?? Buffer.alloc(0));
  const size = `${bytes?.length ?? 0} bytes`;
  if (image === null) return `the file ${name} (${mimeType}, ${size})`;
  return `a ${image.width}x${image.height} ${image.format} image (${name}, ${size})`;
}

function unknownFile(loc: Loc): FieldProblem {
  return { type: 'file_not_found', loc, msg: 'File is unknown, not uploaded, or not yours' };
}

function mismatch(loc: Loc, wanted: string): FieldProblem {
  return { type: 'value_error', loc, msg: `Value should be ${wanted}` };
}
