import { ChatError } from '../../errors.ts';
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

/** Of a document's text: how many UTF-16 units, from its beginning, are never read again. */
export type TakenOf = (document: WireEnvelope) => number;

/**
 * The documents of a v1 stream, kept up to date frame by frame. A frame names a document (`c`), a
 * path (`p`) and an operation (`o`); each of the three is carried over from the frame before when
 * absent, independently of the others. Frames that make no sense are dropped, as a browser would.
 */
export class DeltaDocuments {
  readonly #documents = new Map<number, unknown>();
  /** Paths come again and again, and taking one apart costs more than following it. */
  readonly #pointers = new Map<string, Pointer | null>();
  #counter = 0;
  #path = '';
  #operation: Operation = 'add';
  /** Set while the last frame was one that added to a text. */
  #cursor: Cursor | null = null;
  /** Where each document's text grew last, unless its content was touched in another way since. */
  readonly #cursors = new WeakMap<WireEnvelope, Cursor>();
  readonly #takenOf: TakenOf;

  constructor(takenOf: TakenOf = () => 0) {
    this.#takenOf = takenOf;
  }

  /** The change, or null when the frame changed nothing. Throws upstream_protocol_error past the caps. */
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
    this.#grow(this.#cursor, text);
    return document;
  }

  #install(root: unknown): DocumentChange | null {
    if (!isRecord(root)) return null;
    this.#documents.delete(this.#counter);
    if (this.#documents.size >= MAX_DOCUMENTS) this.#forgetOldest();
    this.#documents.set(this.#counter, root);
    return { document: root, appended: null };
  }

  #change(value: unknown): DocumentChange | null {
    const document = this.#documents.get(this.#counter);
    if (!isRecord(document)) return null;
    if (this.#operation === 'patch') return Array.isArray(value) ? this.#patch(document, value) : null;
    const appended = this.#changeAt(document, this.#path, this.#operation, value);
    if (appended === undefined) return null;
    if (appended !== null && appended !== '') this.#cursor = this.#cursors.get(document) ?? null;
    return { document, appended };
  }

  #patch(document: WireEnvelope, items: readonly unknown[]): DocumentChange {
    let appended: string | null = '';
    let path = '';
    let operation: unknown = 'replace';
    for (const item of items) {
      if (!isRecord(item)) continue;
      const { p, o, v } = item as WireDelta;
      if (typeof p === 'string') path = this.#path + p;
      if (o !== undefined) operation = o;
      if (!isOperation(operation) || operation === 'patch') continue;
      const text = this.#changeAt(document, path, operation, v);
      if (text !== undefined) appended = appended === null || text === null ? null : appended + text;
    }
    return { document, appended };
  }

  /** As `DocumentChange.appended`; undefined: nothing was changed. */
  #changeAt(
    document: WireEnvelope,
    path: string,
    operation: Operation,
    value: unknown,
  ): string | null | undefined {
    const pointer = this.#pointerOf(path);
    if (pointer === null || !applyOperation(document, operation, pointer, value)) return undefined;
    const appended = appendedText(operation, path, value);
    if (appended === null) this.#cursors.delete(document);
    else if (appended !== '') this.#growAt(document, pointer, appended);
    return appended;
  }

  /** `pointer` leads to a text that has just grown by `appended`. */
  #growAt(document: WireEnvelope, pointer: Pointer, appended: string): void {
    let container: unknown = document;
    for (const key of pointer.slice(0, -1)) container = (container as Record<string, unknown>)[key];
    const key = pointer.at(-1) ?? '';
    const owner = container as Record<string, unknown>;
    const known = this.#cursors.get(document);
    if (known?.container === owner && known.key === key) this.#grow(known, appended);
    else {
      const text = new GrowingText(owner[key] as string);
      this.#cursors.set(document, { document, container: owner, key, text });
    }
  }

  #grow({ document, container, key, text }: Cursor, piece: string): void {
    container[key] = text.grow(piece, () => this.#takenOf(document));
  }

  #pointerOf(path: string): Pointer | null {
    const known = this.#pointers.get(path);
    if (known !== undefined) return known;
    if (this.#pointers.size >= MAX_POINTERS) this.#pointers.clear();
    const pointer = parsePointer(path);
    if (path.length <= MAX_KEPT_PATH) this.#pointers.set(path, pointer);
    return pointer;
  }

  #forgetOldest(): void {
    const oldest = this.#documents.keys().next();
    if (oldest.done === true)
      throw new ChatError('upstream_protocol_error', 'Upstream opened too many messages.');
    this.#documents.delete(oldest.value);
  }
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
