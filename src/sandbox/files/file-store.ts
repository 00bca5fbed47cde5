/** A file of a caller, uploaded or made for him. */
export interface StoredFile {
  /** `file-...`, pointed at by `file-service://`, or `file_...`, by `sediment://`. */
  readonly id: string;
  readonly owner: string;
  readonly name: string;
  /** Null: made here. */
  readonly useCase: UseCase | null;
  readonly declaredBytes: number;
  /** The conversation that it was made in. */
  readonly conversationId: string | null;
  readonly sandboxPath: string | null;
  readonly createdAtMs: number;
  /** Null until the bytes are there. */
  mimeType: string | null;
  bytes: Buffer | null;
  /** True once its owner said that all bytes are there. */
  uploaded: boolean;
  /** How often its state was asked for. */
  polls: number;
}

export const USE_CASES = ['multimodal', 'my_files', 'ace_upload'] as const;
export type UseCase = (typeof USE_CASES)[number];

/** The newest files, as many as the space allows; older ones are forgotten. */
export interface FileStore {
  add(file: StoredFile): void;
  find(id: string): StoredFile | undefined;
  findInSandbox(conversationId: string, path: string): StoredFile | undefined;
  readonly size: number;
}

const MAX_FILES = 2_000;

export function createFileStore(maxBytes: number): FileStore {
  const kept = new Map<string, StoredFile>();
  let total = 0;
  return {
    add(file) {
      kept.set(file.id, file);
      total += file.declaredBytes;
      for (const [id, { declaredBytes }] of kept) {
        if (id === file.id || (kept.size <= MAX_FILES && total <= maxBytes)) return;
        kept.delete(id);
        total -= declaredBytes;
      }
    },
    find: (id) => kept.get(id),
    findInSandbox: (conversationId, path) =>
      [...kept.values()].findLast(
        (file) => file.conversationId === conversationId && file.sandboxPath === path,
      ),
    get size() {
      return kept.size;
    },
  };
}

export function toPointer(id: string): string {
  return `${id.startsWith('file_') ? 'sediment' : 'file-service'}://${id}`;
}

/** The id in a pointer whose scheme suits it; null for any other text. */
export function toFileId(pointer: unknown): string | null {
  return typeof pointer === 'string'
    ? (/^(?:file-service:\/\/(file-.+)|sediment:\/\/(file_.+))$/.exec(pointer)?.slice(1).find(Boolean) ??
        null)
    : null;
}
