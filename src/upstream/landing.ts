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

/**
 * At once what is known. Never fails but with the signal's reason: a page that cannot be had is replaced by
 * a stand-in.
 */
export type Landing = (session: Session, signal: AbortSignal) => LandingPage | Promise<LandingPage>;

const PAGE_LIFE_MS = 15 * 60_000;
/** A page that failed is tried again soon, but not before every chat. */
const STAND_IN_LIFE_MS = 60_000;

interface CachedPage {
  readonly page: LandingPage;
  readonly endsMs: number;
}

export function createLanding(options: LandingOptions): Landing {
  const { exchange, profile, nowMs, timeoutMs } = options;
  const cached = new Map<string, CachedPage>();
  const share = createSharing<LandingPage>();

  async function fetchPage(session: Session, signal: AbortSignal): Promise<LandingPage> {
    const { origin, exit } = session;
    const headers = { ...pageHeaders(origin, profile), accept: 'text/html' };
    const step = 'the landing page';
    const page = await exchange(
      { exit, origin, method: 'GET', path: '/', headers, body: null, timeoutMs, step },
      signal,
    )
      .then(({ status, text }) => (status === 200 ? parseLanding(text) : null))
      .catch(() => null);
    if (!signal.aborted) {
      const endsMs = nowMs() + (page === null ? STAND_IN_LIFE_MS : PAGE_LIFE_MS);
      cached.set(origin, { page: page ?? standIn(origin), endsMs });
    }
    return page ?? standIn(origin);
  }

  return (session, signal) => {
    signal.throwIfAborted();
    const known = cached.get(session.origin);
    if (known !== undefined && nowMs() < known.endsMs) return known.page;
    return share(session.origin, (shared) => fetchPage(session, shared), signal);
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
