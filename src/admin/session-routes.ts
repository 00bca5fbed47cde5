import { ChatError } from '../errors.ts';
import type { HeaderList } from '../http/headers.ts';
import { parseJson } from '../http/json-body.ts';
import { readBody } from '../http/read-body.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Route } from '../http/router.ts';
import { formField } from './form-field.ts';
import { checkIntent, COOKIE, crossSite } from './guard.ts';
import type { Guard } from './guard.ts';
import { answerPrivately } from './private-answer.ts';
import { cameOverHttps, originOf } from './same-origin.ts';
import type { Session, Sessions } from './sessions.ts';

const MAX_LOGIN_BYTES = 16 * 1024;

export interface SessionRoutesOptions {
  readonly guard: Guard;
  readonly sessions: Sessions;
  /** Where the cookie goes. */
  readonly cookiePath: string;
  readonly nowMs: () => number;
}

/** Opening, looking at and ending the session of a browser. The only routes that ask for no key beforehand. */
export function sessionRoutes(options: SessionRoutesOptions): readonly Route[] {
  return [
    { method: 'POST', path: '/admin/login', handler: (request, reply) => logIn(options, request, reply) },
    { method: 'POST', path: '/admin/logout', handler: (request, reply) => logOut(options, request, reply) },
    { method: 'GET', path: '/admin/session', handler: (request, reply) => tell(options, request, reply) },
  ];
}

async function logIn(
  { guard, sessions, cookiePath, nowMs }: SessionRoutesOptions,
  request: RequestSnapshot,
  reply: Reply,
): Promise<void> {
  // Else any page that the operator visits could use up the tries of his address.
  if (originOf(request) === 'other') throw crossSite();
  const body = await readBody(reply, request, MAX_LOGIN_BYTES);
  guard.checkKey(await keyOf(request, body), request);
  const session = sessions.start();
  const cookie = cookieHeader(request, cookiePath, session.id, session.expiresMs - nowMs());
  answerPrivately(reply, toAnswer(session), [cookie]);
}

function logOut(
  { guard, sessions, cookiePath }: SessionRoutesOptions,
  request: RequestSnapshot,
  reply: Reply,
): void {
  const session = guard.sessionOf(request);
  if (session !== null) {
    checkIntent(request, session);
    sessions.end(session.id);
  }
  answerPrivately(reply, toAnswer(null), [cookieHeader(request, cookiePath, '', 0)]);
}

/** Answers 200 also without a session: that is what the page asks first, and it is no error. */
function tell({ guard }: SessionRoutesOptions, request: RequestSnapshot, reply: Reply): void {
  answerPrivately(reply, toAnswer(guard.sessionOf(request)));
}

function toAnswer(session: Session | null): Record<string, unknown> {
  if (session === null) return { authenticated: false };
  return { authenticated: true, csrf: session.csrf, expiresMs: session.expiresMs };
}

async function keyOf(request: RequestSnapshot, body: Buffer): Promise<string> {
  const type = request.header('content-type') ?? '';
  const key = /json/i.test(type) ? keyField(parseJson(body)) : await formField(type, body, 'key');
  if (typeof key === 'string' && key !== '') return key;
  throw new ChatError('missing_required_parameter', 'Send the ADMIN_KEY as the field "key".', {
    param: 'key',
  });
}

function keyField(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'key' in value ? value.key : undefined;
}

function cookieHeader(
  request: RequestSnapshot,
  path: string,
  value: string,
  lifetimeMs: number,
): HeaderList[number] {
  const maxAge = `Max-Age=${Math.floor(lifetimeMs / 1000)}`;
  const parts = [`${COOKIE}=${value}`, `Path=${path}`, maxAge, 'HttpOnly', 'SameSite=Strict'];
  if (cameOverHttps(request)) parts.push('Secure');
  return ['set-cookie', parts.join('; ')];
}
