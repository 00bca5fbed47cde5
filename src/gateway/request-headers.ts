import type { RequestSnapshot } from '../http/request.ts';
import { toUpstreamCookies } from './cookies.ts';
import type { OwnOrigin } from '../http/own-origin.ts';

export interface RequestContext {
  readonly own: OwnOrigin;
  /** Scheme, host and port. */
  readonly upstream: string;
  /** The one browser that all our requests speak for: its `user-agent` and client hints. */
  readonly browser: Readonly<Record<string, string>>;
  /** AUTH_KEY, for a gateway of the operator's. */
  readonly authKey: string | null;
  /** Names of cookies that stay here. */
  readonly privateCookies: readonly string[];
  /** A key that opens this program, and nothing upstream. */
  isOwnKey(credential: string): boolean;
}

/** Hop by hop, by RFC 9110 7.6.1 and by habit; what is about the body's framing comes from elsewhere. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'host',
  'content-length',
];

/** What tells of the way that a request took, and of whoever sent it. */
const TRACES = [
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'fastly-client-ip',
  'client-ip',
  'remote-host',
  'cdn-loop',
  'authkey',
];

/** Meant for answers, or for the server that a page thinks it talks to. */
const MISPLACED = [
  'x-frame-options',
  'x-xss-protection',
  'x-content-type-options',
  'content-security-policy',
  'x-middleware-prefetch',
  'x-nextjs-data',
  'purpose',
  'user-agent',
];

const DROPPED = new Set([...HOP_BY_HOP, ...TRACES, ...MISPLACED]);
const DROPPED_FAMILIES = /^(?:x-forwarded-|x-original-|cf-|sec-ch-ua|sec-websocket-)/;

/** What we can take apart when a page must be rewritten. */
const DECODED = /^\s*(?:gzip|deflate|br|identity)\s*(?:;|$)/i;

/** Of a request that goes on: `hasBody` tells whether what describes a body describes one. */
export function toUpstreamHeaders(
  request: RequestSnapshot,
  context: RequestContext,
  hasBody: boolean,
): Record<string, string> {
  const named = listOf(request.header('connection')).map((name) => name.toLowerCase());
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) {
    if (DROPPED.has(name) || DROPPED_FAMILIES.test(name) || named.includes(name)) continue;
    const changed = change(name, value, request, context, hasBody);
    if (changed !== null) headers[name] = toBytes(changed);
  }
  const length = request.header('content-length');
  return {
    'accept-language': 'en-US,en;q=0.9',
    'accept-encoding': 'identity',
    ...headers,
    ...context.browser,
    ...(hasBody && length !== undefined && { 'content-length': length }),
    ...(context.authKey !== null && { authkey: context.authKey }),
  };
}

/** Null: it stays here. */
function change(
  name: string,
  value: string,
  request: RequestSnapshot,
  context: RequestContext,
  hasBody: boolean,
): string | null {
  switch (name) {
    case 'origin':
      return toUpstreamOrigin(value, request, context);
    case 'referer':
      return toUpstreamReferer(value, context);
    case 'cookie':
      return toUpstreamCookies(value, context.privateCookies) || null;
    case 'authorization':
      return context.isOwnKey(credentialOf(value)) ? null : value;
    case 'accept-encoding':
      return toDecodable(value);
    case 'content-encoding':
      return hasBody ? value : null;
    default:
      return value;
  }
}

/** Another site's page with this browser's cookies must not pass for upstream's own: there its name stays. */
function toUpstreamOrigin(
  value: string,
  request: RequestSnapshot,
  { own, upstream }: RequestContext,
): string {
  const isForeign = hostOf(value) !== own.host.toLowerCase();
  return isForeign && request.header('cookie') !== undefined ? value : upstream;
}

function toUpstreamReferer(value: string, { own, upstream }: RequestContext): string {
  if (hostOf(value) !== own.host.toLowerCase()) return `${upstream}/`;
  const { pathname, search } = new URL(value);
  return upstream + pathname + search;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : '';
}

function credentialOf(authorization: string): string {
  const token = /^bearer[ \t]+(.*)$/i.exec(authorization.trim())?.[1] ?? authorization;
  return token.split(',', 1)[0]?.trim() ?? '';
}

function toDecodable(value: string): string {
  return (
    listOf(value)
      .filter((coding) => DECODED.test(coding))
      .join(', ') || 'identity'
  );
}

function listOf(value: string | undefined): readonly string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The dispatcher writes one byte per character. */
function toBytes(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}
