import type { AccountState, AccountView, KeyView, NodeView, Summary } from '../desk.ts';
import { browser } from './browser.ts';

/** Everything but the accounts. */
export interface Rest {
  readonly summary: Summary;
  readonly keys: readonly KeyView[];
  readonly exits: readonly NodeView[];
  readonly gateways: readonly NodeView[];
}

export type Connection = 'connecting' | 'live' | 'polling';

/** In the order in which an operator looks. */
export const STATES: readonly AccountState[] = [
  'ready',
  'busy',
  'cooling',
  'needs_refresh',
  'quarantined',
  'disabled',
];

/** What the page knows. Whoever changes it calls `touch`; what it shows follows with the next frame. */
export class PageState {
  readonly accounts = new Map<string, AccountView>();
  rest: Rest | null = null;
  connection: Connection = 'connecting';
  /** The server's clock less the browser's, in ms. */
  clockOffsetMs = 0;
  search = '';
  stateFilter: AccountState | null = null;
  page = 0;
  readonly #draw: () => void;
  #drawScheduled = false;

  constructor(draw: () => void) {
    this.#draw = draw;
  }

  /** By the server's clock. */
  get nowMs(): number {
    return Date.now() + this.clockOffsetMs;
  }

  touch(): void {
    if (this.#drawScheduled) return;
    this.#drawScheduled = true;
    browser.requestAnimationFrame(() => {
      this.#drawScheduled = false;
      this.#draw();
    });
  }

  forget(): void {
    this.accounts.clear();
    this.rest = null;
    this.connection = 'connecting';
  }

  /** Those that search and filter leave, in the order in which they came. */
  matching(): AccountView[] {
    const words = this.search
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    return [...this.accounts.values()].filter(
      (account) =>
        (this.stateFilter === null || account.state === this.stateFilter) &&
        (words.length === 0 || contains(account, words)),
    );
  }
}

function contains(account: AccountView, words: readonly string[]): boolean {
  const { id, kind, workspace, plan, reason, lastFailure } = account;
  const text = [id, kind, workspace, plan, reason, lastFailure?.code].join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}
