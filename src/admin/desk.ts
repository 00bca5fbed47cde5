/** What the admin page and API see and may do. Implemented by `app.ts` out of the other rooms. Nothing here holds a secret. */
export interface Desk {
  /**
   * In a stable order, as of now. A view is never changed after it was given out; giving the same object again for
   * an account that has not changed spares the live page a comparison.
   */
  accounts(): readonly AccountView[];
  /** One account per line, `#` begins a comment. Resolves when what was taken cannot be lost any more. */
  importAccounts(text: string): Promise<readonly LineVerdict[]>;
  /** False: there is no such account. So for all that name one. */
  removeAccount(id: string): Promise<boolean>;
  /** How many there were. */
  removeAllAccounts(): Promise<number>;
  setEnabled(id: string, enabled: boolean): Promise<boolean>;
  /** Forgets failures, limits and quarantine; an account that upstream disabled is tried again. */
  clearErrors(id: string): Promise<boolean>;
  /** Exchanges the refresh token now. Null: no such account. */
  refresh(id: string, signal: AbortSignal): Promise<CheckVerdict | null>;
  /** Asks upstream, at the cost of no message, what it thinks of the account. Null: no such account. */
  check(id: string, signal: AbortSignal): Promise<CheckVerdict | null>;

  keys(): readonly KeyView[];
  /** Makes a key; the only time that it is seen. */
  addKey(name: string, limits: KeyLimitsView): Promise<{ readonly key: string; readonly view: KeyView }>;
  /** What is left out stays as it is. False: there is no such key. Limits of environment's keys may be changed, too. */
  changeKey(id: string, change: KeyChange): Promise<boolean>;
  /** False: there is no such key, or it is one of AUTHORIZATION's or KEYS_FILE's, which can only be taken away there. */
  removeKey(id: string): Promise<boolean>;

  exits(): readonly NodeView[];
  gateways(): readonly NodeView[];
  summary(): Summary;
}

export type AccountState = 'ready' | 'busy' | 'cooling' | 'needs_refresh' | 'quarantined' | 'disabled';

/** Times are of the wall clock, in ms. */
export interface AccountView {
  /** A short hash, which names the account everywhere. */
  readonly id: string;
  readonly kind: 'access' | 'refresh';
  readonly workspace: string | null;
  readonly state: AccountState;
  /** Why, in words, when it is not ready or busy. */
  readonly reason: string | null;
  /** When the state ends by itself. */
  readonly untilMs: number | null;
  readonly plan: string | null;
  readonly limits: readonly {
    readonly model: string | null;
    readonly untilMs: number;
    readonly reason: string;
  }[];
  readonly inFlight: number;
  readonly concurrency: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly lastFailure: { readonly code: string; readonly atMs: number } | null;
  readonly lastUsedMs: number | null;
  readonly addedMs: number;
  readonly tokenExpiresMs: number | null;
}

/** What became of one line of an import. `id` is there when the line was an account. */
export interface LineVerdict {
  readonly line: number;
  readonly outcome: 'added' | 'updated' | 'known' | 'rejected';
  readonly id: string | null;
  /** In words; never repeats what the line says. */
  readonly message: string;
}

export interface CheckVerdict {
  readonly ok: boolean;
  /** An error code of the program, or null. */
  readonly code: string | null;
  /** What is wrong and what to do, in words. */
  readonly message: string;
}

export interface KeyLimitsView {
  readonly requestsPerMinute: number | null;
  readonly concurrentStreams: number | null;
}

export interface KeyChange extends Partial<KeyLimitsView> {
  readonly name?: string;
}

export interface KeyView extends KeyLimitsView {
  readonly id: string;
  readonly name: string;
  /** `environment`: of AUTHORIZATION; `file`: of the keys file; `admin`: made here. */
  readonly source: 'environment' | 'file' | 'admin';
  readonly inFlight: number;
  readonly waiting: number;
  readonly requests: number;
  readonly refused: number;
}

/** An outbound proxy (by its label, never its address's password) or a gateway (by its host). */
export interface NodeView {
  readonly name: string;
  readonly state: 'well' | 'ejected' | 'probing' | 'slow_start';
  readonly untilMs: number | null;
  /** Code of the failure that ejected it. */
  readonly reason: string | null;
  readonly inFlight: number;
  /** Moving average of the time to an answer's head; null: none yet. */
  readonly latencyMs: number | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly ejections: number;
}

export interface Summary {
  readonly accounts: Readonly<Record<AccountState, number>>;
  readonly waiting: number;
  readonly inFlight: number;
}
