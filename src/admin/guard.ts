import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError } from '../errors.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { LockOut } from './lock-out.ts';
import { originOf } from './same-origin.ts';
import type { Session, Sessions } from './sessions.ts';

/** The name of the session's cookie. */
export const COOKIE = 'chat2api_admin';

/** The header in which the page returns its session's `csrf`. */
const CSRF_HEADER = 'x-csrf-token';

/** What lets a request in. */
export interface Pass {
  /** False: the session has ended since. A stream looks from time to time. */
  isValid(): boolean;
}

const ALWAYS: Pass = { isValid: () => true };

const KEY_MISSING =
  'The administration needs its key. Send ADMIN_KEY as "Authorization: Bearer <key>", or log in at /tokens.';

const KEY_WRONG =
  "That is not this proxy's ADMIN_KEY. The keys that chat clients use do not open the administration.";

const CROSS_SITE =
  "A session alone changes nothing: the request came from another site, or without its session's token in " +
  `"${CSRF_HEADER}". Reload the page; programs send "Authorization: Bearer <ADMIN_KEY>" instead.`;

/** Decides who may administer: by the key itself, or by a session that was opened with it. */
export class Guard {
  readonly #digest: Buffer;
  readonly #sessions: Sessions;
  readonly #lockOut: LockOut;

  readonly #addressOf: (request: RequestSnapshot) => string;

  constructor(
    adminKey: string,
    sessions: Sessions,
    lockOut: LockOut,
    addressOf: (request: RequestSnapshot) => string,
  ) {
    this.#digest = sha256(adminKey);
    this.#sessions = sessions;
    this.#lockOut = lockOut;
    this.#addressOf = addressOf;
  }

  /** Throws `invalid_api_key`, `cross_site_request`, or `rate_limit_exceeded` after too many wrong keys. */
  admit(request: RequestSnapshot): Pass {
    const key = bearerOf(request);
    if (key !== null) {
      this.checkKey(key, request);
      return ALWAYS;
    }
    const session = this.sessionOf(request);
    if (session === null) throw new ChatError('invalid_api_key', KEY_MISSING);
    if (!isReading(request.method)) checkIntent(request, session);
    return { isValid: () => this.#sessions.find(session.id) !== null };
  }

  /** Throws as `admit` when it is not the key. Compares hashes, so that time tells nothing of how much of it fits. */
  checkKey(key: string, request: RequestSnapshot): void {
    const address = this.#addressOf(request);
    const waitMs = this.#lockOut.waitMs(address);
    if (waitMs > 0) throw tooManyFailures(waitMs);
    if (timingSafeEqual(sha256(key), this.#digest)) return this.#lockOut.succeeded(address);
    this.#lockOut.failed(address);
    throw new ChatError('invalid_api_key', KEY_WRONG);
  }

  sessionOf(request: RequestSnapshot): Session | null {
    const id = cookieOf(request.header('cookie') ?? '');
    return id === null ? null : this.#sessions.find(id);
  }
}

/** Throws unless the page itself asks. */
export function checkIntent(request: RequestSnapshot, session: Session): void {
  const token = request.header(CSRF_HEADER) ?? '';
  const fits = timingSafeEqual(sha256(token), sha256(session.csrf));
  if (originOf(request) !== 'same' || !fits) throw crossSite();
}

export function crossSite(): ChatError {
  return new ChatError('cross_site_request', CROSS_SITE);
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function bearerOf(request: RequestSnapshot): string | null {
  return /^bearer[ \t]+(\S.*)$/i.exec(request.header('authorization')?.trim() ?? '')?.[1] ?? null;
}

function cookieOf(header: string): string | null {
  const pairs = header.split(/[;,]/).map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? null;
}

function tooManyFailures(waitMs: number): ChatError {
  const retryAfterS = Math.ceil(waitMs / 1000);
  const message =
    `Too many wrong admin keys came from here: none is looked at for another ${retryAfterS} s. ` +
    'Wait, then try again with the ADMIN_KEY of this proxy.';
  return new ChatError('rate_limit_exceeded', message, { retryAfterS });
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
