import { ChatError } from '../errors.ts';
import { readBody } from '../http/read-body.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import type { Desk } from './desk.ts';
import { parseKeyInput } from './key-input.ts';
import { answerPrivately } from './private-answer.ts';

const MAX_KEY_BYTES = 16 * 1024;

/** What a key is called that was given no name. */
const NAMELESS = 'unnamed';

/** `/admin/keys`: the keys of chat clients. They expect to be reached by who may. */
export function keysRoutes(desk: Desk): readonly Route[] {
  const path = '/admin/keys';
  const one = `${path}/{id}`;
  return [
    { method: 'GET', path, handler: (_request, reply) => list(desk, reply) },
    { method: 'POST', path, handler: (request, reply) => make(desk, request, reply) },
    { method: 'PATCH', path: one, handler: (request, reply) => change(desk, request, reply) },
    { method: 'POST', path: one, handler: (request, reply) => change(desk, request, reply) },
    { method: 'DELETE', path: one, handler: (request, reply) => remove(desk, request, reply) },
  ];
}

function list(desk: Desk, reply: Reply): void {
  answerPrivately(reply, { object: 'list', data: desk.keys() });
}

/** The only answer that ever holds the key. */
async function make(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  const input = parseKeyInput(await readBody(reply, request, MAX_KEY_BYTES));
  const { name = NAMELESS, requestsPerMinute = null, concurrentStreams = null } = input;
  const { key, view } = await desk.addKey(name, { requestsPerMinute, concurrentStreams });
  answerPrivately(reply, { ...view, key });
}

async function change(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  const id = request.parameter ?? '';
  const input = parseKeyInput(await readBody(reply, request, MAX_KEY_BYTES));
  if (!(await desk.changeKey(id, input))) throw unknownKey();
  answerPrivately(reply, desk.keys().find((key) => key.id === id) ?? { ok: true });
}

async function remove(desk: Desk, request: RequestSnapshot, reply: Reply): Promise<void> {
  const id = request.parameter ?? '';
  const source = desk.keys().find((key) => key.id === id)?.source;
  if (source === 'environment' || source === 'file') throw ofElsewhere(source);
  if (!(await desk.removeKey(id))) throw unknownKey();
  answerPrivately(reply, { removed: 1 });
}

function ofElsewhere(source: 'environment' | 'file'): ChatError {
  const where = source === 'file' ? 'KEYS_FILE' : 'AUTHORIZATION';
  const message = `This key stands in ${where}: take it out there and start the program anew.`;
  return new ChatError('invalid_value', message, { param: 'id' });
}

/** The id is not repeated: somebody may have put the key itself there. */
function unknownKey(): ChatError {
  return new ChatError('unknown_url', 'There is no key with this id. GET /admin/keys lists them.', {
    param: 'id',
  });
}
