import type { RefusalName } from '../refusals.ts';
import { parseHealth } from './health.ts';

/** What an account was used for, as `GET /__sandbox/accounts` shows it. */
export interface AccountRecord {
  readonly name: string;
  /** Those that were answered; the refused are not among them. */
  readonly conversations: number;
  readonly open: number;
  readonly highestOpen: number;
  /** How often each refusal was given for the account's own sake. */
  readonly refusals: Readonly<Partial<Record<RefusalName, number>>>;
  /** Conversations asked for while a limit held that had been told before. */
  readonly limitsIgnored: number;
}

export type Entry =
  /** To be called, once, when the conversation is over. */
  | { readonly ok: true; readonly close: () => void; readonly slow: boolean }
  | { readonly ok: false; readonly refusal: RefusalName; readonly clearsInS: number };

export interface AccountLedger {
  /** @param concurrency conversations at once; null: as the name tells */
  open(name: string, model: string, concurrency: number | null): Entry;
  records(): readonly AccountRecord[];
  clear(): void;
}

interface Account {
  asked: number;
  conversations: number;
  open: number;
  highestOpen: number;
  limitsIgnored: number;
  readonly refusals: Map<RefusalName, number>;
  /** By model, the time when its limit ends. */
  readonly limits: Map<string, number>;
}

/** Counts what each account does, and says no where the account's name, or the scenario, wants it. */
export function createAccountLedger(now: () => number, maxAccounts: number): AccountLedger {
  const accounts = new Map<string, Account>();

  function find(name: string): Account {
    const known = accounts.get(name);
    if (known !== undefined) return known;
    const account = newAccount();
    accounts.set(name, account);
    for (const [oldest, { open }] of accounts) {
      if (accounts.size <= maxAccounts) break;
      if (open === 0) accounts.delete(oldest);
    }
    return account;
  }

  function refuse(account: Account, refusal: RefusalName, clearsInS = 0): Entry {
    account.refusals.set(refusal, (account.refusals.get(refusal) ?? 0) + 1);
    return { ok: false, refusal, clearsInS };
  }

  return {
    open(name, model, concurrency) {
      const account = find(name);
      const health = parseHealth(name);
      const allowed = Math.min(concurrency ?? Infinity, health.concurrency ?? Infinity);
      account.asked += 1;
      const limitMs = limitLeft(account, model, health.limitedS * 1000, now());
      if (limitMs > 0) return refuse(account, 'model_cap', Math.ceil(limitMs / 1000));
      if (account.open >= allowed) return refuse(account, 'one_message');
      if (health.flaky && account.asked % 3 === 0) return refuse(account, 'server_error');
      account.conversations += 1;
      account.open += 1;
      account.highestOpen = Math.max(account.highestOpen, account.open);
      return { ok: true, slow: health.slow, close: () => (account.open -= 1) };
    },
    records: () =>
      [...accounts].map(([name, { conversations, open, highestOpen, refusals, limitsIgnored }]) => ({
        name,
        conversations,
        open,
        highestOpen,
        refusals: Object.fromEntries(refusals),
        limitsIgnored,
      })),
    clear() {
      for (const [name, { open }] of accounts) {
        if (open === 0) accounts.delete(name);
      }
    },
  };
}

/** The limit begins with the first conversation that asks for the model. */
function limitLeft(account: Account, model: string, limitMs: number, nowMs: number): number {
  if (limitMs === 0) return 0;
  const endsMs = account.limits.get(model);
  if (endsMs === undefined) account.limits.set(model, nowMs + limitMs);
  else if (nowMs < endsMs) account.limitsIgnored += 1;
  return (endsMs ?? nowMs + limitMs) - nowMs;
}

function newAccount(): Account {
  return {
    asked: 0,
    conversations: 0,
    open: 0,
    highestOpen: 0,
    limitsIgnored: 0,
    refusals: new Map(),
    limits: new Map(),
  };
}
