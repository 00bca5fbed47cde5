import type { Desk } from './desk.ts';

/** One who watches; told of what is new, and left to fetch it in his own time. */
export interface Watcher {
  /** Accounts that are new, changed or gone, and whether `rest` has changed. */
  onNews(accountIds: readonly string[], restChanged: boolean): void;
  /** Called each time before the news: the moment to see whether he may still watch. */
  onTick(): void;
}

export interface LiveFeedOptions {
  readonly desk: Desk;
  /** Shortest time between two looks at the desk. */
  readonly intervalMs: number;
}

interface Row {
  view: object;
  json: string;
}

/** Of the time between two looks, a look takes no more than one part in so many: chats come first. */
const SHARE_OF_TIME = 50;

/**
 * Looks at the desk at intervals while somebody watches, and finds what has changed. All watchers share one
 * look and one encoding of each account.
 */
export class LiveFeed {
  readonly #options: LiveFeedOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #rows = new Map<string, Row>();
  #rest = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** All accounts there are. */
  get accountIds(): Iterable<string> {
    return this.#rows.keys();
  }

  /** Everything but the accounts, as JSON. */
  get rest(): string {
    return this.#rest;
  }

  /** The account as JSON; undefined: it is gone. */
  account(id: string): string | undefined {
    return this.#rows.get(id)?.json;
  }

  /** Returns how to stop. Everything there is at this moment can be asked for at once. */
  watch(watcher: Watcher): () => void {
    if (this.#watchers.size === 0) this.#look();
    this.#watchers.add(watcher);
    if (this.#timer === null) this.#schedule(0);
    return () => this.#unwatch(watcher);
  }

  #unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#rows.clear();
  }

  #schedule(tookMs: number): void {
    const waitMs = Math.max(this.#options.intervalMs, tookMs * SHARE_OF_TIME);
    this.#timer = setTimeout(() => this.#tick(), waitMs);
  }

  #tick(): void {
    const startedAt = performance.now();
    for (const watcher of this.#watchers) watcher.onTick();
    if (this.#watchers.size === 0) return;
    const rest = this.#rest;
    const changed = this.#look();
    if (changed.length > 0 || rest !== this.#rest) {
      for (const watcher of this.#watchers) watcher.onNews(changed, rest !== this.#rest);
    }
    this.#schedule(performance.now() - startedAt);
  }

  /** Brings what is known up to date; the ids of new, changed and gone accounts. */
  #look(): string[] {
    const { desk } = this.#options;
    const changed: string[] = [];
    const gone = new Set(this.#rows.keys());
    for (const view of desk.accounts()) {
      gone.delete(view.id);
      if (this.#update(view.id, view)) changed.push(view.id);
    }
    for (const id of gone) this.#rows.delete(id);
    this.#rest = JSON.stringify({
      summary: desk.summary(),
      keys: desk.keys(),
      exits: desk.exits(),
      gateways: desk.gateways(),
    });
    return [...changed, ...gone];
  }

  #update(id: string, view: object): boolean {
    const row = this.#rows.get(id);
    if (row?.view === view) return false;
    const json = JSON.stringify(view);
    const isNew = row?.json !== json;
    if (row && !isNew) row.view = view;
    else this.#rows.set(id, { view, json });
    return isNew;
  }
}
