import { parseObject } from './error-detail.ts';
import { isRecord, textOr } from './loose.ts';

/** What the backend thinks of an account. */
export interface AccountStatus {
  /** As the backend calls it (`free`, `plus`, `team`, ...); null: it does not say. */
  readonly plan: string | null;
  readonly isDeactivated: boolean;
}

const PLAN = /^[\w.-]{1,64}$/;

/**
 * The answer of the accounts check; null: it is none. Of several workspaces `workspace` counts, else the
 * one called `default`, else the first of the answer's own order.
 */
export function parseAccountStatus(body: string, workspace: string | null): AccountStatus | null {
  const json = parseObject(body);
  const accounts = json?.['accounts'];
  if (!isRecord(accounts)) return null;
  const order = json?.['account_ordering'];
  const first = Array.isArray(order) ? textOr(order[0], '') : '';
  const names = [workspace ?? '', 'default', first, Object.keys(accounts)[0] ?? ''];
  const name = names.find((candidate) => Object.hasOwn(accounts, candidate)) ?? '';
  const entry = accounts[name];
  const account = isRecord(entry) ? entry['account'] : null;
  if (!isRecord(account)) return { plan: null, isDeactivated: false };
  const plan = textOr(account['plan_type'], '');
  return { plan: PLAN.test(plan) ? plan : null, isDeactivated: account['is_deactivated'] === true };
}
