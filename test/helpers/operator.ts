import type { AccountView, KeyView, LineVerdict, NodeView, Summary } from '../../src/admin/desk.ts';
import { ask } from './program.ts';
import type { Answer } from './program.ts';

export const ADMIN_KEY = 'the-operator';

/** What the operator does through the admin API, with ADMIN_KEY. */
export interface Operator {
  call(method: string, path: string, body?: string): Promise<Answer>;
  /** Verdicts by line; throws when the import is not answered with 200. */
  add(lines: readonly string[]): Promise<readonly LineVerdict[]>;
  accounts(): Promise<readonly AccountView[]>;
  summary(): Promise<Summary>;
  keys(): Promise<readonly KeyView[]>;
  exits(): Promise<{ readonly exits: readonly NodeView[]; readonly gateways: readonly NodeView[] }>;
}

export function operatorOf(port: number, adminKey = ADMIN_KEY): Operator {
  const authorization = `Bearer ${adminKey}`;
  const call = (method: string, path: string, body = ''): Promise<Answer> => {
    const headers = {
      authorization,
      'content-type': body.startsWith('{') ? 'application/json' : 'text/plain',
    };
    return ask(port, { method, path, headers, ...(body !== '' && { body }) });
  };
  const read = async (method: string, path: string, body?: string): Promise<unknown> => {
    const { status, text } = await call(method, path, body);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`);
    return JSON.parse(text);
  };
  const list = async (): Promise<{ data: AccountView[]; summary: Summary }> =>
    (await read('GET', '/admin/accounts')) as { data: AccountView[]; summary: Summary };
  return {
    call,
    add: async (lines) =>
      ((await read('POST', '/admin/accounts', lines.join('\n'))) as { data: LineVerdict[] }).data,
    accounts: async () => (await list()).data,
    summary: async () => (await list()).summary,
    keys: async () => ((await read('GET', '/admin/keys')) as { data: KeyView[] }).data,
    exits: async () => (await read('GET', '/admin/exits')) as Awaited<ReturnType<Operator['exits']>>,
  };
}
