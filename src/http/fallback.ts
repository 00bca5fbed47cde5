import type { AcceptSocket } from './client-socket.ts';
import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';

/** Answers what no route does. */
export interface Fallback {
  /** For the log and the metrics, in place of a route's path. */
  readonly name: string;
  /** False: the path is not for it either, and answers 404. As sent, percent-encoding untouched. */
  takes(path: string): boolean;
  handler(request: RequestSnapshot, reply: Reply): void | Promise<void>;
  /** The same for who wants a web socket: calls `accept`, or answers with `reply`. */
  tunnel(request: RequestSnapshot, reply: Reply, accept: AcceptSocket): void | Promise<void>;
}
