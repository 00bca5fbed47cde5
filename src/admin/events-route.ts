import { ChatError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import { SseWriter } from '../http/sse-writer.ts';
import type { Guard } from './guard.ts';
import type { LiveFeed } from './live-feed.ts';
import { LiveStream } from './live-stream.ts';

/** More tabs than an operator's office has. */
const MAX_WATCHERS = 32;

export interface EventsRouteOptions {
  readonly guard: Guard;
  readonly feed: LiveFeed;
  readonly nowMs: () => number;
  /** Aborted when the program begins to end: streams that never end by themselves would hold it up. */
  readonly closing: AbortSignal | null;
}

/**
 * `GET /admin/events`, server-sent events: `reset` (forget all; the clock), then `rest` (summary, keys, exits,
 * gateways) and `accounts` (`changed` rows whole, `gone` ids), first for everything, then for what changes.
 * The one route that asks its guard itself: it must see when the session ends.
 */
export function eventsRoute(options: EventsRouteOptions): Route {
  return {
    method: 'GET',
    path: '/admin/events',
    handler: (request, reply) => watch(options, request, reply),
  };
}

function watch(
  { guard, feed, nowMs, closing }: EventsRouteOptions,
  request: RequestSnapshot,
  reply: Reply,
): void {
  const pass = guard.admit(request);
  // A HEAD must not open what never ends.
  if (request.method === 'HEAD') return reply.send(200, null, [['content-type', 'text/event-stream']]);
  if (feed.watcherCount >= MAX_WATCHERS) throw tooMany();
  const writer = new SseWriter(reply);
  writer.open();
  const isValid = (): boolean => pass.isValid() && closing?.aborted !== true;
  const stream = new LiveStream(writer, feed, isValid);
  reply.onClose(feed.watch(stream));
  stream.begin(nowMs());
}

function tooMany(): ChatError {
  return new ChatError(
    'proxy_overloaded',
    `${MAX_WATCHERS} readers watch already. Close a tab, or ask GET /admin/accounts instead.`,
    { retryAfterS: 30 },
  );
}
