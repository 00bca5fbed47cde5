import {
  MAX_TEXT_LENGTH,
  TEXT_PLACES,
  applyOperation,
  isOperation,
  parsePointer,
} from './delta-operation.ts';
import type { Operation, Pointer } from './delta-operation.ts';
import { GrowingText } from './growing-text.ts';
import { isRecord } from './loose.ts';
import type { WireDelta, WireEnvelope } from './wire.ts';

const MAX_DOCUMENTS = 16;
const MAX_POINTERS = 64;
const MAX_KEPT_PATH = 256;
/** Taking a path apart costs more than following it: those of nearly all frames are taken apart once for all. */
const USUAL_POINTERS: ReadonlyMap<string, Pointer | null> = new Map(
  [...TEXT_PLACES, '/message/status', '/message/end_turn', '/message/metadata'].map((path) => [
    path,
    parsePointer(path),
  ]),
);

/** What one frame did to one document. */
export interface DocumentChange {
  readonly document: WireEnvelope;
  /**
   * The text that the frame added to the end of the first part (or of `text`, where code stands), when
   * it did nothing else to the content; null: anything may have changed, read the document.
   */
  readonly appended: string | null;
}

/** A text that grows. */
interface Cursor {
  readonly document: WireEnvelope;
  readonly container: Record<string, unknown>;
  readonly key: string;
  readonly text: GrowingText;
}

interface Kept {
  /** As frames name it. */
  readonly counter: number;
  readonly document: WireEnvelope;
  /** Where its text grew last, unless its content was touched in another way since. */
  cursor: Cursor | null;
}

/** Of a document's text: how many UTF-16 units, from its beginning, are never read again. */
export type TakenOf = (document: WireEnvelope) => number;

/**
 * The documents of a v1 stream, kept up to date frame by frame. A frame names a document (`c`), a
 * path (`p`) and an operation (`o`); each of the three is carried over from the frame before when
 * absent, independently of the others. Frames that make no sense are dropped, as a browser would.
 */
export class DeltaDocuments {
  /** Oldest first. A list, for nearly all streams have but one or two. */
  readonly #documents: Kept[] = [];
  /** Of the paths that are not usual: they come again and again as well. */
  #pointers: Map<string, Pointer | null> | null = null;
  #counter = 0;
  #path = '';
  #operation: Operation = 'add';
  /** Set while the last frame was one that added to a text. */
  #cursor: Cursor | null = null;
  readonly #takenOf: TakenOf;

  constructor(takenOf: TakenOf = () => 0) {
    this.#takenOf = takenOf;
  }

  /** The change, or null when the frame changed nothing. */
  apply(frame: WireDelta): DocumentChange | null {
    this.#cursor = null;
    if (typeof frame.c === 'number' && Number.isSafeInteger(frame.c)) this.#counter = frame.c;
    if (isSnapshotWithoutInstruction(frame)) return this.#install(frame.v);
    if (typeof frame.p === 'string') this.#path = frame.p;
    if (frame.o !== undefined) {
      if (!isOperation(frame.o)) return null;
      this.#operation = frame.o;
    }
    if (this.#path === '' && (this.#operation === 'add' || this.#operation === 'replace')) {
      return this.#install(frame.v);
    }
    return this.#change(frame.v);
  }

  /**
   * As `apply` of a frame that has but a text, when the last one added to a text as well: the document that
   * changed. Null: this frame is not so simple. Saves a third of the decoding of a v1 event (bench decode).
   */
  append(text: string): WireEnvelope | null {
    if (this.#cursor === null) return null;
    const { document, container, key } = this.#cursor;
    if ((container[key] as string).length + text.length > MAX_TEXT_LENGTH) return null;
    grow(this.#cursor, text);
    return document;
  }

  #install(root: unknown): DocumentChange | null {
    if (!isRecord(root)) return null;
    const before = this.#documents.findIndex(({ counter }) => counter === this.#counter);
    if (before !== -1) this.#documents.splice(before, 1);
    else if (this.#documents.length >= MAX_DOCUMENTS) this.#documents.shift();
    this.#documents.push({ counter: this.#counter, document: root, cursor: null });
    return { document: root, appended: null };
  }

  #change(value: unknown): DocumentChange | null {
    const kept = this.#documents.find(({ counter }) => counter === this.#counter);
    if (kept === undefined) return null;
    if (this.#operation === 'patch') return Array.isArray(value) ? this.#patch(kept, value) : null;
    const appended = this.#changeAt(kept, this.#path, this.#operation, value);
    if (appended === undefined) return null;
    if (appended !== null && appended !== '') this.#cursor = kept.cursor;
    return { document: kept.document, appended };
  }

  #patch(kept: Kept, items: readonly unknown[]): DocumentChange {
    let appended: string | null = '';
    let path = '';
    let operation: unknown = 'replace';
    for (const item of items) {
      if (!isRecord(item)) continue;
      const { p, o, v } = item as WireDelta;
      if (typeof p === 'string') path = this.#path + p;
      if (o !== undefined) operation = o;
      if (!isOperation(operation) || operation === 'patch') continue;
      const text = this.#changeAt(kept, path, operation, v);
      if (text !== undefined) appended = appended === null || text === null ? null : appended + text;
    }
    return { document: kept.document, appended };
  }

  /** As `DocumentChange.appended`; undefined: nothing was changed. */
  #changeAt(kept: Kept, path: string, operation: Operation, value: unknown): string | null | undefined {
    const pointer = this.#pointerOf(path);
    if (pointer === null || !applyOperation(kept.document, operation, pointer, value)) return undefined;
    const appended = appendedText(operation, path, value);
    if (appended === null) kept.cursor = null;
    else if (appended !== '') this.#growAt(kept, pointer, appended);
    return appended;
  }

  /** `pointer` leads to a text that has just grown by `appended`. */
  #growAt(kept: Kept, pointer: Pointer, appended: string): void {
    const { document, cursor } = kept;
    const container = containerAt(document, pointer);
    const key = pointer.at(-1) ?? '';
    if (cursor?.container === container && cursor.key === key) return grow(cursor, appended);
    const text = new GrowingText(container[key] as string, () => this.#takenOf(document));
    kept.cursor = { document, container, key, text };
  }

  #pointerOf(path: string): Pointer | null {
    const known = USUAL_POINTERS.get(path) ?? this.#pointers?.get(path);
    if (known !== undefined) return known;
    const pointer = parsePointer(path);
    if (path.length <= MAX_KEPT_PATH) this.#keepPointer(path, pointer);
    return pointer;
  }

  #keepPointer(path: string, pointer: Pointer | null): void {
    this.#pointers ??= new Map();
    if (this.#pointers.size >= MAX_POINTERS) this.#pointers.clear();
    this.#pointers.set(path, pointer);
  }
}

/** Holds what `pointer`, which was followed before, leads to. */
function containerAt(document: WireEnvelope, pointer: Pointer): Record<string, unknown> {
  let container = document as Record<string, unknown>;
  for (let at = 0; at < pointer.length - 1; at += 1) {
    container = container[pointer[at] as string] as Record<string, unknown>;
  }
  return container;
}

function grow({ container, key, text }: Cursor, piece: string): void {
  container[key] = text.grow(piece);
}

/** A new message without `p` and `o`: installed whatever was carried over, which could only be nonsense for it. */
function isSnapshotWithoutInstruction(frame: WireDelta): boolean {
  return frame.p === undefined && frame.o === undefined && isRecord(frame.v) && 'message' in frame.v;
}

/** '' when the content was not touched, null when it was touched in another way than by appending. */
function appendedText(operation: Operation, path: string, value: unknown): string | null {
  if (operation === 'append' && TEXT_PLACES.has(path) && typeof value === 'string') return value;
  const touchesContent = path === '' || path === '/message' || path.startsWith('/message/content');
  return touchesContent ? null : '';
}
