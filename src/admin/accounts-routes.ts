import { ChatError } from '../errors.ts';
import { readBody } from '../http/read-body.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import type { Desk, LineVerdict } from './desk.ts';
import { toCsv, toJsonLines } from './export-accounts.ts';
import { importText } from './import-text.ts';
import { answerPrivately, PRIVATE_HEADERS } from './private-answer.ts';

export interface AccountsRoutesOptions {
  readonly desk: Desk;
  /** Largest import. */
  readonly maxBodyBytes: number;
}

/** What can be done to one account, by the last part of its path. The value is what the answer says. */
type Action = (desk: Desk, id: string, signal: AbortSignal) => Promise<object | null>;

const DONE = { ok: true };

const ACTIONS: Readonly<Record<string, Action>> = {
  enable: async (desk, id) => ((await desk.setEnabled(id, true)) ? DONE : null),
  disable: async (desk, id) => ((await desk.setEnabled(id, false)) ? DONE : null),
  clear: async (desk, id) => ((await desk.clearErrors(id)) ? DONE : null),
  refresh: (desk, id, signal) => desk.refresh(id, signal),
  check: (desk, id, signal) => desk.check(id, signal),
};

/** `/admin/accounts` and what is below it. They expect to be reached by who may. */
export function accountsRoutes({ desk, maxBodyBytes }: AccountsRoutesOptions): readonly Route[] {
  const path = '/admin/accounts';
  return [
    { method: 'GET', path, handler: (_request, reply) => list(desk, reply) },
    { method: 'POST', path, handler: (request, reply) => add(desk, maxBodyBytes, request, reply) },
    { method: 'DELETE', path, handler: (request, reply) => removeAll(desk, request, reply) },
    { method: 'GET', path: `${path}/export`, handler: (request, reply) => exportAll(desk, request, reply) },
    { method: 'DELETE', path: `${path}/{id}`, handler: (request, reply) => remove(desk, request, reply) },
    { method: 'POST', path: `${path}/{id}`, handler: (request, reply) => act(desk, request, reply) },
  ];
}

function list(desk: Desk, reply: Reply): void {
  answerPrivately(reply, { object: 'list', data: desk.accounts(), summary: desk.summary() });
}

async function add(desk: Desk, maxBodyBytes: number, request: RequestSnapshot, reply: Reply): Promise<void> {
  const body = await readBody(reply, request, maxBodyBytes);
  const data = await desk.importAccounts(await importText(request.header('content-type') ?? '', body));
  answerPrivately(reply, { object: 'list', data, ...countOutcomes(data) });
}

function countOutcomes(verdicts: readonly LineVerdict[]): Readonly<Record<LineVerdict['outcome'], number>> {
  const counts = { added: 0, updated: 0, known: 0, rejected: 0 };
  for (const { outcome } of verdicts) counts[outcome] += 1;
  return counts;
}

async function removeAll(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  if (new URLSearchParams(request.query).get('confirm') !== 'all') {
    throw new ChatError(
      'missing_required_parameter',
      'This removes every account. Say so with "?confirm=all", or name one: DELETE /admin/accounts/{id}.',
      { param: 'confirm' },
    );
  }
  answerPrivately(reply, { removed: await desk.removeAllAccounts() });
}

function exportAll(desk: Desk, request: RequestSnapshot, reply: Reply): void {
  const isCsv = new URLSearchParams(request.query).get('format') === 'csv';
  const [name, type, text] = isCsv
    ? ['accounts.csv', 'text/csv; charset=utf-8', toCsv(desk.accounts())]
    : ['accounts.jsonl', 'application/x-ndjson', toJsonLines(desk.accounts())];
  reply.send(200, text, [
    ...PRIVATE_HEADERS,
    ['content-type', type],
    ['content-disposition', `attachment; filename="${name}"`],
  ]);
}

async function remove(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  if (!(await desk.removeAccount(request.parameter ?? ''))) throw unknownAccount();
  answerPrivately(reply, { removed: 1 });
}

/** The router gives the rest of the path, `{id}/{action}`, as one. */
async function act(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  const [, id = '', name = ''] = /^([^/]*)\/(.*)$/.exec(request.parameter ?? '') ?? [];
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw unknownAction();
  const result = await action(desk, id, reply.signal);
  if (result === null) throw unknownAccount();
  answerPrivately(reply, result);
}

function unknownAction(): ChatError {
  const names = Object.keys(ACTIONS).join(', ');
  return new ChatError('unknown_url', `POST /admin/accounts/{id}/ goes on with one of: ${names}.`);
}

/** The id is not repeated: somebody may have put a token there. */
function unknownAccount(): ChatError {
  const message = 'There is no account with this id. GET /admin/accounts lists them.';
  return new ChatError('unknown_url', message, { param: 'id' });
}
