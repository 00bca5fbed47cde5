import { ChatError, toChatError } from '../errors.ts';
import { preflightHeaders } from './cors.ts';
import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';
import type { Match } from './router.ts';

/** Long enough for every path of ours, short enough for a log line. */
const SHOWN_PATH_CHARS = 200;

/** A new process is there by then, if there is going to be one. */
const RESTART_S = 5;

export function shuttingDown(): ChatError {
  return new ChatError('shutting_down', 'The proxy is shutting down. Try again in a few seconds.', {
    retryAfterS: RESTART_S,
  });
}

/** Runs what the router found; whatever is thrown becomes an answer. */
export function dispatch(
  match: Match,
  request: RequestSnapshot,
  reply: Reply,
  draining: boolean,
  onInternalError: (error: unknown) => void,
): void {
  const onThrown = (thrown: unknown): void => {
    const error = toChatError(thrown);
    // When the client has left, what its handler was waiting for rejects: no bug of ours.
    if (error.code === 'internal_error' && !reply.signal.aborted) onInternalError(thrown);
    reply.fail(error);
  };
  try {
    const running = answer(match, request, reply, draining);
    if (running instanceof Promise) running.catch(onThrown);
  } catch (thrown) {
    onThrown(thrown);
  }
}

function answer(
  match: Match,
  request: RequestSnapshot,
  reply: Reply,
  draining: boolean,
): void | Promise<void> {
  if (request.method === 'OPTIONS' && !isForHandler(match, request)) {
    return reply.send(204, null, preflightHeaders(request.header('access-control-request-headers')));
  }
  switch (match.kind) {
    case 'found':
      if (draining && !match.route.whileDraining) return reply.fail(shuttingDown());
      return match.route.handler(request, reply);
    case 'wrong_method':
      return reply.fail(wrongMethod(request, match.allow), [['allow', match.allow]]);
    case 'unknown':
      return reply.fail(unknownUrl(request));
  }
}

function isForHandler(match: Match, request: RequestSnapshot): boolean {
  const takesOptions = match.kind === 'found' && match.route.takesOptions === true;
  return takesOptions && request.header('access-control-request-method') === undefined;
}

function unknownUrl(request: RequestSnapshot): ChatError {
  return new ChatError('unknown_url', `Invalid URL (${named(request)}). Check the path and the base URL.`);
}

function wrongMethod(request: RequestSnapshot, allow: string): ChatError {
  return new ChatError('method_not_allowed', `Not allowed: ${named(request)}. Allowed here: ${allow}.`);
}

/** Method and path, without the query, which may hold secrets. */
function named(request: RequestSnapshot): string {
  return `${request.method} ${request.path.slice(0, SHOWN_PATH_CHARS)}`;
}
