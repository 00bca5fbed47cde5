import { randomBytes } from 'node:crypto';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import { accountsRoutes } from './accounts-routes.ts';
import type { Desk } from './desk.ts';
import { eventsRoute } from './events-route.ts';
import { Guard } from './guard.ts';
import { keysRoutes } from './keys-routes.ts';
import { LiveFeed } from './live-feed.ts';
import { LockOut } from './lock-out.ts';
import { originalRoutes } from './original-routes.ts';
import { pageRoutes } from './page-routes.ts';
import { answerPrivately, withPrivateErrors } from './private-answer.ts';
import { sessionRoutes } from './session-routes.ts';
import { Sessions } from './sessions.ts';

export interface AdminOptions {
  readonly desk: Desk;
  readonly adminKey: string;
  /** `API_PREFIX`: empty, or starting with a slash. */
  readonly prefix: string;
  /** Of the wall clock. */
  readonly nowMs: () => number;
  /** The address that asks; wrong keys are counted by it. */
  readonly addressOf: (request: RequestSnapshot) => string;
  /** Aborted when the program begins to end, before the server drains: live pages let go then. */
  readonly closing?: AbortSignal;
  /** Unguessable, of URL-safe characters. */
  readonly newSecret?: () => string;
  /** Shortest time between two frames of the live page. */
  readonly liveIntervalMs?: number;
  /** Largest import. */
  readonly maxBodyBytes?: number;
}

const SESSION_MS = 12 * 3_600_000;
const MAX_SESSIONS = 100;
const LIVE_INTERVAL_MS = 500;
/** Ten thousand access tokens are some 20 MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The accounts page and the admin API, without the prefix. Make them only when there is an ADMIN_KEY. */
export function createAdminRoutes(options: AdminOptions): readonly Route[] {
  const { desk, adminKey, prefix, nowMs, newSecret = drawSecret, closing = null } = options;
  const { maxBodyBytes = MAX_BODY_BYTES, liveIntervalMs = LIVE_INTERVAL_MS } = options;
  const sessions = new Sessions({ lifetimeMs: SESSION_MS, max: MAX_SESSIONS, nowMs, newSecret });
  const guard = new Guard(adminKey, sessions, new LockOut(nowMs), options.addressOf);
  const feed = new LiveFeed({ desk, intervalMs: liveIntervalMs });
  const guarded = [
    ...accountsRoutes({ desk, maxBodyBytes }),
    ...keysRoutes(desk),
    ...originalRoutes(desk, maxBodyBytes),
    exitsRoute(desk),
  ];
  const routes = [
    ...pageRoutes(),
    ...sessionRoutes({ guard, sessions, cookiePath: prefix === '' ? '/' : prefix, nowMs }),
    eventsRoute({ guard, feed, nowMs, closing }),
    ...guarded.map((route) => behind(guard, route)),
  ];
  return routes.map(withPrivateErrors);
}

function exitsRoute(desk: Desk): Route {
  return {
    method: 'GET',
    path: '/admin/exits',
    handler: (_request, reply) => answerPrivately(reply, { exits: desk.exits(), gateways: desk.gateways() }),
  };
}

function behind(guard: Guard, route: Route): Route {
  return {
    ...route,
    handler: (request, reply) => {
      guard.admit(request);
      return route.handler(request, reply);
    },
  };
}

function drawSecret(): string {
  return randomBytes(32).toString('base64url');
}
