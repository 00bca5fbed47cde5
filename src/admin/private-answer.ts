import { ChatError } from '../errors.ts';
import type { HeaderList } from '../http/headers.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** On everything that this room answers: kept by nobody, shown in no frame, running nothing but our own script. */
export const PRIVATE_HEADERS: HeaderList = [
  ['cache-control', 'no-store'],
  ['content-security-policy', POLICY],
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
];

export function answerPrivately(reply: Reply, value: unknown, headers: HeaderList = []): void {
  reply.json(200, value, [...PRIVATE_HEADERS, ...headers]);
}

/** The route with the same headers on its errors. What nobody foresaw is left to the edge, which logs it. */
export function withPrivateErrors(route: Route): Route {
  const fail = (reply: Reply, thrown: unknown): void => {
    if (!(thrown instanceof ChatError)) throw thrown;
    reply.fail(thrown, PRIVATE_HEADERS);
  };
  return {
    ...route,
    handler: (request: RequestSnapshot, reply: Reply) => {
      try {
        const running = route.handler(request, reply);
        if (running instanceof Promise) return running.catch((thrown: unknown) => fail(reply, thrown));
      } catch (thrown) {
        fail(reply, thrown);
      }
      return undefined;
    },
  };
}
