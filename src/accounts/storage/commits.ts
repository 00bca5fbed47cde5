import { StoreError, failureCode } from '../store-error.ts';
import type { Storage } from './open-storage.ts';

export interface CommitsOptions {
  readonly storage: Storage;
  /** The record as it is now; null: removed. Read when it is written, so that the newest state wins. */
  readonly current: (name: string) => unknown;
  readonly onNotice: (message: string) => void;
}

/** Some names that somebody waits for. */
interface Job {
  readonly names: readonly string[];
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

/** So many lines in one transaction take the thread some 3 ms, beside what the disk takes for its sync. */
const MAX_GROUP = 50;
const NOTE_DELAY_MS = 1_000;
const RETRY_DELAY_MS = 10_000;

/**
 * Brings changed records to the disk in groups: what is asked for within one turn of the event loop
 * shares transactions, and the thread is free between them.
 */
export class Commits {
  readonly #options: CommitsOptions;
  readonly #jobs: Job[] = [];
  readonly #noted = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the records are on the disk. Rejects with a StoreError when one of them could not be
   * written; that is tried again from time to time.
   */
  async put(names: readonly string[]): Promise<void> {
    const jobs: Promise<void>[] = [];
    for (let from = 0; from < names.length; from += MAX_GROUP) {
      jobs.push(this.#ask(names.slice(from, from + MAX_GROUP)));
    }
    await Promise.all(jobs);
  }

  /** Written within a second, and not waited for: a power cut may take it. */
  note(name: string): void {
    this.#noted.add(name);
    this.#writeNotesIn(NOTE_DELAY_MS);
  }

  /** Resolves when everything asked for and noted so far is on the disk. Rejects as `put` does. */
  async flush(): Promise<void> {
    await this.put([...this.#noted]);
    // Transactions go in order: with this one all earlier ones are through.
    if (this.#jobs.length > 0) await this.#ask([]);
  }

  /** What is noted and not flushed is dropped. */
  close(): void {
    this.#noted.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #ask(names: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ names, resolve, reject });
      if (this.#jobs.length === 1) setImmediate(() => this.#writeJobs());
    });
  }

  #writeJobs(): void {
    const group = this.#nextGroup();
    const names = new Set(group.flatMap((job) => job.names));
    const failure = this.#write(names, 'synced');
    this.#jobs.splice(0, group.length);
    for (const job of group) {
      if (failure === null) job.resolve();
      else job.reject(failure);
    }
    if (this.#jobs.length > 0) setImmediate(() => this.#writeJobs());
  }

  #nextGroup(): Job[] {
    let count = 0;
    const end = this.#jobs.findIndex((job) => (count += job.names.length) > MAX_GROUP);
    return this.#jobs.slice(0, end === -1 ? undefined : Math.max(1, end));
  }

  #writeNotesIn(delayMs: number): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#writeNotes(), delayMs);
    this.#timer.unref();
  }

  #writeNotes(): void {
    this.#timer = null;
    const names = new Set([...this.#noted].slice(0, MAX_GROUP));
    const failure = this.#write(names, 'soon');
    if (failure !== null) this.#options.onNotice(failure.message);
    else if (this.#noted.size > 0) this.#writeNotesIn(0);
  }

  #write(names: ReadonlySet<string>, durability: 'synced' | 'soon'): StoreError | null {
    if (names.size === 0) return null;
    const { storage, current } = this.#options;
    for (const name of names) this.#noted.delete(name);
    try {
      storage.write(
        Array.from(names, (name) => ({ name, record: current(name) })),
        durability,
      );
      return null;
    } catch (thrown) {
      for (const name of names) this.#noted.add(name);
      this.#writeNotesIn(RETRY_DELAY_MS);
      return notWritten(thrown);
    }
  }
}

function notWritten(thrown: unknown): StoreError {
  return new StoreError(
    `DATA_DIR cannot be written (${failureCode(thrown)}). Changes to accounts and keys are in force, but would be ` +
      'lost when the program ends; it tries again every few seconds. See that there is room on the disk.',
  );
}
