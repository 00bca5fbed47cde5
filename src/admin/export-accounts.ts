import type { AccountView } from './desk.ts';

const COLUMNS = [
  'id',
  'kind',
  'workspace',
  'state',
  'reason',
  'untilMs',
  'plan',
  'inFlight',
  'concurrency',
  'succeeded',
  'failed',
  'lastUsedMs',
  'addedMs',
  'tokenExpiresMs',
] as const satisfies readonly (keyof AccountView)[];

export function toJsonLines(accounts: readonly AccountView[]): string {
  return accounts.map((account) => `${JSON.stringify(account)}\n`).join('');
}

/** With a head line; limits and the last failure, which are no single values, are left out. */
export function toCsv(accounts: readonly AccountView[]): string {
  const lines = accounts.map((account) => COLUMNS.map((column) => toCell(account[column])).join(','));
  return [COLUMNS.join(','), ...lines, ''].join('\r\n');
}

/** A spreadsheet would run what begins like a formula. */
function toCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
