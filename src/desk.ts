import { randomBytes } from 'node:crypto';
import type { Accounts } from './accounts/accounts.ts';
import { mergeAccount, parseAccountLines } from './accounts/import.ts';
import type { OfferedAccount, ParsedLine } from './accounts/import.ts';
import { toRecord } from './accounts/keys.ts';
import type { KeyEntry } from './accounts/keys.ts';
import type { AccountRecord } from './accounts/records.ts';
import type { CheckVerdict, Desk, KeyView, LineVerdict } from './admin/desk.ts';
import { toChatError } from './errors.ts';
import type { Ways } from './outbound/ways.ts';
import type { AccountCheck } from './upstream/account-check.ts';

export interface DeskOptions {
  readonly accounts: Accounts;
  readonly ways: Ways;
  readonly check: AccountCheck;
}

const BY_OPERATOR = 'disabled by the operator';
const KEY_BYTES = 24;

/** What the operator sees and does, done to the pool at once and to the store before it is acknowledged. */
export function createDesk({ accounts, ways, check }: DeskOptions): Desk {
  const { pool, store, keys, gates, tokens, leases } = accounts;

  /** True once the change that `change` made cannot be lost. */
  async function changed(id: string, change: (id: string) => boolean): Promise<boolean> {
    if (!change(id)) return false;
    await store.flush();
    return true;
  }

  async function importAccounts(text: string): Promise<readonly LineVerdict[]> {
    const known = new Map(store.accounts().map((record) => [record.id, record]));
    const records: AccountRecord[] = [];
    const verdicts = parseAccountLines(text).map((parsed) => {
      if (parsed.kind !== 'account') return toVerdict(parsed);
      const { outcome, record } = mergeAccount(known.get(parsed.account.id), parsed.account, Date.now());
      if (outcome !== 'known') records.push(record);
      return taken(parsed.line, outcome, parsed.account);
    });
    // In this order, and at once: while the disk is slow, others may change or remove these accounts.
    for (const record of records) pool.add(record);
    await store.save(records);
    return verdicts;
  }

  async function removeAccounts(ids: readonly string[]): Promise<void> {
    for (const id of ids) pool.remove(id);
    for (const id of ids) tokens.forget(id);
    await store.remove(ids);
  }

  /** Both end in words, whatever happens. */
  async function verdict(id: string, act: () => Promise<string>): Promise<CheckVerdict | null> {
    if (pool.owner(id) === null) return null;
    try {
      return { ok: true, code: null, message: await act() };
    } catch (thrown) {
      const { code, message } = toChatError(thrown);
      return { ok: false, code, message };
    }
  }

  return {
    accounts: () => pool.views(),
    importAccounts,
    async removeAccount(id) {
      if (pool.owner(id) === null) return false;
      await removeAccounts([id]);
      return true;
    },
    async removeAllAccounts() {
      const ids = pool.views().map(({ id }) => id);
      await removeAccounts(ids);
      return ids.length;
    },
    setEnabled: (id, enabled) =>
      changed(id, () => (enabled ? pool.enable(id) : pool.disable(id, BY_OPERATOR))),
    clearErrors: (id) => changed(id, () => pool.clearErrors(id)),
    refresh: (id, signal) =>
      verdict(id, async () => {
        const owner = pool.owner(id);
        if (owner?.credential.kind !== 'refresh') return NOTHING_TO_EXCHANGE;
        await tokens.refreshNow(owner, signal);
        return 'The refresh token was exchanged for a new access token.';
      }),
    check: (id, signal) =>
      verdict(id, async () => {
        const session = await leases.visitAs(id, signal);
        if (session === null) return GONE;
        const { plan } = await check(session, signal).catch((thrown: unknown) => {
          leases.visited(session, toChatError(thrown));
          throw thrown;
        });
        pool.learnPlan(id, plan);
        return plan === null
          ? 'Upstream knows the account.'
          : `Upstream knows the account; its plan: ${plan}.`;
      }),
    keys: () => keys.entries().map((entry) => toKeyView(accounts, entry)),
    async addKey(name, limits) {
      const key = `sk-${randomBytes(KEY_BYTES).toString('base64url')}`;
      const record = toRecord(key, name, limits, Date.now());
      await store.saveKey(record);
      keys.add(record);
      gates.set(record.id, limits);
      const { id } = record;
      return { key, view: toKeyView(accounts, { id, name, source: 'admin', limits }) };
    },
    async changeKey(id, change) {
      const record = keys.change(id, change);
      if (record === null) return false;
      gates.set(id, record.limits);
      if (keys.records().includes(record)) await store.saveKey(record);
      return true;
    },
    async removeKey(id) {
      if (!keys.remove(id)) return false;
      gates.remove(id);
      await store.removeKey(id);
      return true;
    },
    exits: () => ways.views().exits,
    gateways: () => ways.views().gateways,
    summary: () => ({ accounts: pool.counts(), waiting: pool.waiting, inFlight: pool.inFlight }),
  };
}

const NOTHING_TO_EXCHANGE =
  'The account has an access token only, which cannot be exchanged: import a fresh one when it ends.';
const GONE = 'The account was removed meanwhile.';

function toKeyView({ gates, pool }: Accounts, { id, name, source, limits }: KeyEntry): KeyView {
  return { id, name, source, ...limits, ...gates.use(id), waiting: pool.waitingFor(id) };
}

function toVerdict(parsed: Exclude<ParsedLine, { kind: 'account' }>): LineVerdict {
  const { line } = parsed;
  if (parsed.kind === 'rejected') return { line, outcome: 'rejected', id: null, message: parsed.why };
  return { line, outcome: 'known', id: parsed.id, message: `The same account as in line ${parsed.of}.` };
}

const TAKEN = {
  added: 'Added.',
  updated: 'The account was here already; it has the new token now.',
  known: 'The account was here already, with this token or one that lasts longer.',
} as const;

function taken(line: number, outcome: keyof typeof TAKEN, { id }: OfferedAccount): LineVerdict {
  return { line, outcome, id, message: TAKEN[outcome] };
}
