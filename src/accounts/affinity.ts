import type { Way } from '../outbound/way.ts';

/** How a conversation has been reached: what the next call must repeat to be on the same ground. */
export interface KnownConversation {
  /** The account of the pool on which it lives; null: its caller's own, or a visitor's. */
  readonly account: string | null;
  /** Null: the way it had failed. */
  readonly way: Way | null;
  /** The way that failed; any other is better. */
  readonly left?: Way;
  /** The backend may know a visitor by nothing else. */
  readonly deviceId: string;
  /** The last message of the answer we saw last. */
  readonly lastMessageId: string | null;
}

export interface AffinityOptions {
  /** The conversation that nobody asked for longest goes first. */
  readonly maxEntries: number;
  /** A conversation is forgotten when nobody asked for it for so long. */
  readonly idleMs: number;
  /** May start anywhere, never goes back. */
  readonly nowMs: () => number;
}

interface Entry extends KnownConversation {
  readonly usedMs: number;
}

/** Upstream's ids are uuids; what is much longer is none, and not worth its memory. */
const MAX_ID_CHARS = 128;

/**
 * Which conversation lives where. Pure policy: a bounded table in order of use, in which each owner
 * sees only what is his own, so that nobody lands on another's session by knowing or guessing an id.
 */
export class Affinity {
  readonly #options: AffinityOptions;
  /** By owner and conversation; the least recently used comes first. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: AffinityOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Null: unknown, or known as somebody else's. */
  find(owner: string, conversationId: string): KnownConversation | null {
    this.#forgetIdle();
    const key = keyOf(owner, conversationId);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#use(key, entry);
    return entry;
  }

  keep(owner: string, conversationId: string, known: KnownConversation): void {
    if (conversationId.length > MAX_ID_CHARS || (known.lastMessageId?.length ?? 0) > MAX_ID_CHARS) return;
    this.#forgetIdle();
    this.#use(keyOf(owner, conversationId), known);
    if (this.#entries.size > this.#options.maxEntries) this.#forgetOldest();
  }

  /** This way to the conversation failed: the next call may take another. */
  leave(owner: string, conversationId: string, way: Way): void {
    const key = keyOf(owner, conversationId);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.way?.origin !== way.origin || entry.way.exit !== way.exit) return;
    this.#use(key, { ...entry, way: null, left: way });
  }

  #use(key: string, known: KnownConversation): void {
    this.#entries.delete(key);
    this.#entries.set(key, { ...known, usedMs: this.#options.nowMs() });
  }

  #forgetIdle(): void {
    const latest = this.#options.nowMs() - this.#options.idleMs;
    for (const [key, { usedMs }] of this.#entries) {
      if (usedMs > latest) return;
      this.#entries.delete(key);
    }
  }

  #forgetOldest(): void {
    for (const key of this.#entries.keys()) {
      this.#entries.delete(key);
      return;
    }
  }
}

/** Owners contain no space. */
function keyOf(owner: string, conversationId: string): string {
  return `${owner} ${conversationId}`;
}
