import type { Session } from '../chat/ports.ts';
import type { Exchange } from '../outbound/exchange.ts';
import { pageHeaders } from './headers.ts';
import type { ClientProfile } from './headers.ts';
import { createSharing } from './sharing.ts';

/** What the proof of work wants to know of the web page. */
export interface LandingPage {
  readonly scripts: readonly string[];
  readonly buildId: string | null;
}

export interface LandingOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  /** May start anywhere, never goes back. */
  readonly nowMs: () => number;
  readonly timeoutMs: number;
}

export interface Landing {
  /**
   * At once what is known, even when it is due to be fetched again. Never fails but with the signal's reason:
   * a page that cannot be had is replaced by a stand-in.
   */
  readonly page: (session: Session, signal: AbortSignal) => LandingPage | Promise<LandingPage>;
  /** Unless a chat has wanted it already. What cannot be had is left to the next one. Rejects only with the signal's reason. */
  readonly fetchAhead: (session: Session, signal: AbortSignal) => Promise<void>;
}

const FRESH_MS = 15 * 60_000;
/** A page that failed is tried again soon, but not before every chat. */
const RETRY_MS = 60_000;
/** Chats do not wait while a page that is due is fetched again, but the page of another day is none. */
const STALE_MS = 60 * 60_000;

interface CachedPage {
  readonly page: LandingPage;
  /** From then on it is fetched again. */
  readonly dueMs: number;
  /** From then on chats wait for that. */
  readonly endsMs: number;
}

export function createLanding({ exchange, profile, nowMs, timeoutMs }: LandingOptions): Landing {
  const cached = new Map<string, CachedPage>();
  const share = createSharing<LandingPage | null>();

  /** Null: it cannot be had. One at a time from each gateway. */
  function fetchPage({ origin, exit }: Session, signal: AbortSignal): Promise<LandingPage | null> {
    const headers = { ...pageHeaders(origin, profile), accept: 'text/html' };
    const step = 'the landing page';
    const ask = { exit, origin, method: 'GET', path: '/', headers, body: null, timeoutMs, step } as const;
    const fetch = async (shared: AbortSignal): Promise<LandingPage | null> => {
      try {
        const { status, text } = await exchange(ask, shared);
        return status === 200 ? parseLanding(text) : null;
      } catch {
        return null;
      }
    };
    return share(origin, fetch, signal);
  }

  function keep(origin: string, page: LandingPage, now: number): void {
    cached.set(origin, { page, dueMs: now + FRESH_MS, endsMs: now + STALE_MS });
  }

  async function fetchNow(session: Session, signal: AbortSignal): Promise<LandingPage> {
    const { origin } = session;
    const page = await fetchPage(session, signal);
    const now = nowMs();
    if (page !== null) {
      keep(origin, page, now);
      return page;
    }
    const instead = standIn(origin);
    cached.set(origin, { page: instead, dueMs: now + RETRY_MS, endsMs: now + RETRY_MS });
    return instead;
  }

  /** Nobody waits for it, and nobody's leaving ends it. */
  async function refresh(session: Session, { page, endsMs }: CachedPage, now: number): Promise<void> {
    cached.set(session.origin, { page, dueMs: now + RETRY_MS, endsMs });
    const fetched = await fetchPage(session, new AbortController().signal);
    if (fetched !== null) keep(session.origin, fetched, nowMs());
  }

  return {
    page(session, signal) {
      signal.throwIfAborted();
      const known = cached.get(session.origin);
      const now = nowMs();
      if (known === undefined || now >= known.endsMs) return fetchNow(session, signal);
      if (now >= known.dueMs) void refresh(session, known, now);
      return known.page;
    },
    async fetchAhead(session, signal) {
      if (cached.has(session.origin)) return;
      const page = await fetchPage(session, signal);
      if (page !== null) keep(session.origin, page, nowMs());
    },
  };
}

const SCRIPT_SOURCE = /<script\b[^>]*?\ssrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))/gi;
const HTML_BUILD = /<html\b[^>]*?\sdata-build\s*=\s*["']?([^"'\s>]+)/i;
const SCRIPT_BUILD = /c\/[^/]*\/_/;
const SCRIPT_DEPLOYMENT = /dpl.*$/;
const MAX_SCRIPTS = 100;

/** The scripts of the page and its build, by whichever of three places names it; null: no such page. */
export function parseLanding(html: string): LandingPage | null {
  const scripts = [...html.matchAll(SCRIPT_SOURCE)]
    .slice(0, MAX_SCRIPTS)
    .map((match) => (match[1] ?? match[2] ?? match[3] ?? '').replaceAll('&amp;', '&'))
    .filter((source) => source !== '');
  const firstOf = (pattern: RegExp): string | null =>
    scripts.map((source) => pattern.exec(source)?.[0]).find((found) => found !== undefined) ?? null;
  const buildId = HTML_BUILD.exec(html)?.[1] ?? firstOf(SCRIPT_BUILD) ?? firstOf(SCRIPT_DEPLOYMENT);
  return scripts.length === 0 && buildId === null ? null : { scripts, buildId };
}

function standIn(origin: string): LandingPage {
  return { scripts: [`${origin}/backend-api/sentinel/sdk.js`], buildId: null };
}
