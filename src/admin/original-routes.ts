import { readBody } from '../http/read-body.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import type { AccountView, Desk } from './desk.ts';
import { importText } from './import-text.ts';
import { answerPrivately } from './private-answer.ts';

/**
 * The calls by which scripts have always filled this kind of proxy's pool. They expect to be reached by who may.
 * There is no `GET /tokens/add/{token}`: a secret in a URL ends up in logs and histories.
 */
export function originalRoutes(desk: Desk, maxBodyBytes: number): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/tokens/upload',
      handler: (request, reply) => upload(desk, maxBodyBytes, request, reply),
    },
    { method: 'POST', path: '/tokens/clear', handler: (_request, reply) => clear(desk, reply) },
    { method: 'POST', path: '/tokens/error', handler: (_request, reply) => listUnusable(desk, reply) },
  ];
}

async function upload(
  desk: Desk,
  maxBodyBytes: number,
  request: RequestSnapshot,
  reply: Reply,
): Promise<void> {
  const body = await readBody(reply, request, maxBodyBytes);
  await desk.importAccounts(await importText(request.header('content-type') ?? '', body));
  answerCount(desk, reply);
}

async function clear(desk: Desk, reply: Reply): Promise<void> {
  await desk.removeAllAccounts();
  answerCount(desk, reply);
}

/** The short hashes of the accounts, where scripts may expect tokens: those are shown to nobody. */
function listUnusable(desk: Desk, reply: Reply): void {
  const ids = desk
    .accounts()
    .filter(isUnusable)
    .map(({ id }) => id);
  answerPrivately(reply, { status: 'success', error_tokens: ids });
}

/** Those that can be used, as it has always been counted. */
function answerCount(desk: Desk, reply: Reply): void {
  const count = desk.accounts().filter((account) => !isUnusable(account)).length;
  answerPrivately(reply, { status: 'success', tokens_count: count });
}

function isUnusable({ state }: AccountView): boolean {
  return state === 'quarantined' || state === 'disabled';
}
