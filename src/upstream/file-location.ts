import type { Session } from '../chat/ports.ts';

/** Where a file is: behind its session's gateway, or anywhere, open to everybody who has the URL. */
export type FileLocation =
  | { readonly kind: 'session'; readonly session: Session; readonly path: string }
  | { readonly kind: 'open'; readonly url: string };

/** A gateway hands its upstream's own addresses through: what the site serves, the gateway serves too. */
const SITE_HOSTS: ReadonlySet<string> = new Set(['chatgpt.com', 'chat.openai.com']);
const SESSION_PATH = /^\/backend-(?:api|anon)\//;

/**
 * Which of the two `url` is, absolute or relative to the session's gateway; null: not a web address.
 * The path of a `session` source is asked of the session's own origin: its token goes nowhere else.
 */
export function toFileLocation(url: string, session: Session): FileLocation | null {
  const gateway = new URL(session.origin);
  const target = toWebUrl(url, gateway.href);
  if (target === null) return null;
  if (target.host === gateway.host || SITE_HOSTS.has(target.host)) {
    const path = withoutPrefix(target.pathname, gateway.pathname.replace(/\/+$/, ''));
    if (SESSION_PATH.test(path)) return { kind: 'session', session, path: path + target.search };
  }
  return { kind: 'open', url: isPlain(url) ? url : target.href };
}

/** Where a redirect leads. A file that has left its session does not come back to it. */
export function toRedirected(location: string, from: FileLocation): FileLocation | null {
  const here = from.kind === 'open' ? from.url : from.session.origin.replace(/\/+$/, '') + from.path;
  const target = toWebUrl(location, here);
  if (target === null) return null;
  return from.kind === 'open'
    ? { kind: 'open', url: target.href }
    : toFileLocation(target.href, from.session);
}

function toWebUrl(url: string, base: string): URL | null {
  const target = URL.canParse(url, base) ? new URL(url, base) : null;
  return target?.protocol === 'http:' || target?.protocol === 'https:' ? target : null;
}

function withoutPrefix(path: string, prefix: string): string {
  return prefix !== '' && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path;
}

/** Absolute, and nothing in it that a parser would change: signatures are best left as they are. */
function isPlain(url: string): boolean {
  return /^https?:\/\/[\w.:[\]-]+\/[\x21-\x7e]*$/.test(url) && !/["<>\\^`{|}]/.test(url);
}
