/**
 * For how long something is wanted. A signal is made for those only who ask for one: most requests find
 * an open connection and need none, and making one costs 3.5 us.
 */
export class Scope {
  #controller: AbortController | null = null;
  #reason: Error | null = null;

  get isOver(): boolean {
    return this.#reason !== null;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== null) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Idempotent. */
  end(reason: Error): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
