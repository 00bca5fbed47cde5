import type { SseWriter } from '../http/sse-writer.ts';
import type { LiveFeed, Watcher } from './live-feed.ts';

/** What it needs of an `SseWriter`. */
export type LiveWriter = Pick<SseWriter, 'closed' | 'write' | 'onDrain' | 'end'>;

/** Some 50 KB: what a reader who stops costs at most, beside the ids of what he has not read. */
const ACCOUNTS_PER_FRAME = 100;

/**
 * Tells one reader. It keeps which accounts he has to be told about, not what: who reads slowly is spared the
 * steps between and gets the latest, and memory does not grow with what happens meanwhile.
 */
export class LiveStream implements Watcher {
  readonly #writer: LiveWriter;
  readonly #feed: LiveFeed;
  readonly #isValid: () => boolean;
  readonly #untold = new Set<string>();
  #restUntold = true;
  #full = false;

  /** `isValid`: may he still read? */
  constructor(writer: LiveWriter, feed: LiveFeed, isValid: () => boolean) {
    this.#writer = writer;
    this.#feed = feed;
    this.#isValid = isValid;
    writer.onDrain(() => {
      this.#full = false;
      this.#tell();
    });
  }

  /** Everything, from the start. `nowMs`: the server's clock, by which all times are to be read. */
  begin(nowMs: number): void {
    for (const id of this.#feed.accountIds) this.#untold.add(id);
    this.#send('reset', JSON.stringify({ nowMs, accounts: this.#untold.size }));
    this.#tell();
  }

  onTick(): void {
    if (!this.#isValid()) this.#writer.end();
  }

  onNews(accountIds: readonly string[], restChanged: boolean): void {
    for (const id of accountIds) this.#untold.add(id);
    this.#restUntold ||= restChanged;
    this.#tell();
  }

  #tell(): void {
    while (!this.#full && !this.#writer.closed) {
      if (this.#restUntold) {
        this.#restUntold = false;
        this.#send('rest', this.#feed.rest);
      } else if (this.#untold.size > 0) {
        this.#send('accounts', this.#takeAccounts());
      } else {
        return;
      }
    }
  }

  #takeAccounts(): string {
    const changed: string[] = [];
    const gone: string[] = [];
    for (const id of this.#untold) {
      const json = this.#feed.account(id);
      if (json === undefined) gone.push(id);
      else changed.push(json);
      this.#untold.delete(id);
      if (changed.length + gone.length >= ACCOUNTS_PER_FRAME) break;
    }
    return `{"changed":[${changed.join(',')}],"gone":${JSON.stringify(gone)}}`;
  }

  #send(event: string, json: string): void {
    this.#full = !this.#writer.write(`event: ${event}\ndata: ${json}\n\n`);
  }
}
