/** One browser that has shown the key. */
export interface Session {
  readonly id: string;
  /** Must come back in a header with whatever changes something: another site's page cannot read it. */
  readonly csrf: string;
  readonly expiresMs: number;
}

export interface SessionsOptions {
  readonly lifetimeMs: number;
  /** Beyond it the oldest goes. */
  readonly max: number;
  readonly nowMs: () => number;
  /** Unguessable, of URL-safe characters. */
  readonly newSecret: () => string;
}

/** Who is logged in; forgotten when the process ends. */
export class Sessions {
  readonly #options: SessionsOptions;
  /** Oldest first, which is also the order in which they expire. */
  readonly #byId = new Map<string, Session>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byId.size;
  }

  start(): Session {
    const { lifetimeMs, max, nowMs, newSecret } = this.#options;
    const session = { id: newSecret(), csrf: newSecret(), expiresMs: nowMs() + lifetimeMs };
    this.#byId.set(session.id, session);
    this.#dropWhile((oldest) => oldest.expiresMs <= nowMs() || this.#byId.size > max);
    return session;
  }

  /** Null: unknown, ended or expired. */
  find(id: string): Session | null {
    const session = this.#byId.get(id);
    return session !== undefined && session.expiresMs > this.#options.nowMs() ? session : null;
  }

  end(id: string): void {
    this.#byId.delete(id);
  }

  #dropWhile(isOver: (oldest: Session) => boolean): void {
    for (const session of this.#byId.values()) {
      if (!isOver(session)) return;
      this.#byId.delete(session.id);
    }
  }
}
