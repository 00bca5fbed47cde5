import { ChatError } from '../errors.ts';
import type { Caller } from '../conversation/turn.ts';
import { authenticate } from './auth.ts';
import type { Keys } from './auth.ts';
import { parseJson } from './json-body.ts';
import { readBody } from './read-body.ts';
import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';

export interface AdmissionOptions {
  readonly keys: Keys;
  readonly maxBodyBytes: number;
  /** Requests at once; beyond them 503. */
  readonly maxInflight: number;
}

interface Admitted {
  readonly caller: Caller;
  /** JSON of which nothing is known yet. */
  readonly body: unknown;
}

/**
 * What stands before every route that runs turns: who asks, is there room, what do they ask. Call it
 * before the handler's first await. Rejects with a ChatError; the place is free again with the reply's end.
 */
export type Admission = (request: RequestSnapshot, reply: Reply) => Promise<Admitted>;

/** One for all such routes: they share the room. */
export function createAdmission({ keys, maxBodyBytes, maxInflight }: AdmissionOptions): Admission {
  let inflight = 0;
  return async (request, reply) => {
    const caller = authenticate(request.header('authorization'), request.header('chatgpt-account-id'), keys);
    if (inflight >= maxInflight) throw overloaded(maxInflight);
    inflight += 1;
    reply.onClose(() => (inflight -= 1));
    return { caller, body: parseJson(await readBody(reply, request, maxBodyBytes)) };
  };
}

function overloaded(maxInflight: number): ChatError {
  return new ChatError(
    'proxy_overloaded',
    `This proxy already serves ${maxInflight} chats, its limit. Try again in a moment, or ask its operator to raise MAX_INFLIGHT.`,
    { retryAfterS: 1 },
  );
}
