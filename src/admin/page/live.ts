import type { AccountView, Summary } from '../desk.ts';
import type { Api } from './api.ts';
import { browser } from './browser.ts';
import type { EventStream } from './browser.ts';
import type { PageState, Rest } from './state.ts';

const POLL_MS = 5_000;
/** While polling, how often the stream is tried again. */
const POLLS_PER_TRY = 6;
const CLOSED = 2;

interface AccountsFrame {
  readonly changed: readonly AccountView[];
  readonly gone: readonly string[];
}

/** Keeps the state up to date: by the server's events, or, where those do not come through, by asking. */
export class Live {
  readonly #state: PageState;
  readonly #api: Api;
  #stream: EventStream | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #polls = 0;

  constructor(state: PageState, api: Api) {
    this.#state = state;
    this.#api = api;
  }

  start(): void {
    this.stop();
    const stream = new browser.EventSource('admin/events');
    this.#stream = stream;
    this.#listen(stream, 'reset', ({ nowMs }: { nowMs: number }) => this.#reset(nowMs));
    this.#listen(stream, 'rest', (rest: Rest) => (this.#state.rest = rest));
    this.#listen(stream, 'accounts', (frame: AccountsFrame) => this.#take(frame));
    stream.addEventListener('error', () => this.#onError(stream));
  }

  stop(): void {
    this.#stream?.close();
    this.#stream = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #listen<T>(stream: EventStream, type: string, take: (frame: T) => void): void {
    stream.addEventListener(type, ({ data }) => {
      take(JSON.parse(data) as T);
      this.#state.touch();
    });
  }

  #reset(nowMs: number): void {
    this.#state.accounts.clear();
    this.#state.clockOffsetMs = nowMs - Date.now();
    this.#state.connection = 'live';
  }

  #take({ changed, gone }: AccountsFrame): void {
    for (const account of changed) this.#state.accounts.set(account.id, account);
    for (const id of gone) this.#state.accounts.delete(id);
  }

  /** A stream that broke is opened anew by the browser; one that was refused is not. */
  #onError(stream: EventStream): void {
    if (stream !== this.#stream) return;
    this.#state.connection = 'connecting';
    this.#state.touch();
    if (stream.readyState === CLOSED) void this.#poll();
  }

  async #poll(): Promise<void> {
    this.#polls += 1;
    const stream = this.#stream;
    const isOver = (): boolean => this.#stream !== stream;
    try {
      const [accounts, keys, nodes] = await Promise.all([
        this.#api.get<{ data: readonly AccountView[]; summary: Summary }>('accounts'),
        this.#api.get<{ data: Rest['keys'] }>('keys'),
        this.#api.get<Pick<Rest, 'exits' | 'gateways'>>('exits'),
      ]);
      if (isOver()) return;
      this.#state.accounts.clear();
      this.#take({ changed: accounts.data, gone: [] });
      this.#state.rest = { ...nodes, summary: accounts.summary, keys: keys.data };
      this.#state.connection = 'polling';
    } catch {
      if (isOver()) return;
      this.#state.connection = 'connecting';
    }
    this.#state.touch();
    const isTimeToTry = this.#polls % POLLS_PER_TRY === 0;
    this.#timer = setTimeout(() => (isTimeToTry ? this.start() : void this.#poll()), POLL_MS);
  }
}
