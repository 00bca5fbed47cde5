import type { Caller } from '../conversation/turn.ts';
import { authenticate } from './auth.ts';
import type { Keys } from './auth.ts';
import { parseJson } from './json-body.ts';
import { readBody } from './read-body.ts';
import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';
import { overloaded } from './waiting-room.ts';
import type { WaitingRoom } from './waiting-room.ts';

export interface AdmissionOptions {
  readonly keys: Keys;
  /** The operator's limits for each key: `enter` throws `key_limit_exceeded`, or gives the way out. */
  readonly gates: { enter(keyId: string): () => void };
  readonly maxBodyBytes: number;
  readonly room: WaitingRoom;
  /** Why no new work should begin, or null: asked before anything of a request is kept. */
  readonly pressure: () => string | null;
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

const PRESSURE_RETRY_S = 5;

/** One for all such routes: they share the room. */
export function createAdmission({ keys, gates, maxBodyBytes, room, pressure }: AdmissionOptions): Admission {
  return async (request, reply) => {
    const caller = authenticate(request.header('authorization'), request.header('chatgpt-account-id'), keys);
    const strain = pressure();
    if (strain !== null) throw overloaded(strain, PRESSURE_RETRY_S);
    if (caller.kind === 'key') reply.onClose(gates.enter(caller.keyId));
    const ticket = room.enter();
    reply.onClose(() => ticket.leave());
    // The native server drops a body that nobody takes at once, so it does not wait for the place.
    const bytes = readBody(reply, request, maxBodyBytes);
    if (ticket.entered !== null) await Promise.all([bytes, ticket.entered]);
    return { caller, body: parseJson(await bytes) };
  };
}
