import type { HeaderList } from '../http/headers.ts';
import type { ResponseHeaders } from '../outbound/send.ts';
import { toOwnPolicy } from './content-policy.ts';
import { toOwnCookie } from './cookies.ts';
import type { OwnOrigin } from '../http/own-origin.ts';
import type { UrlRewriter } from './url-rewriter.ts';

export interface ResponseContext {
  readonly own: OwnOrigin;
  readonly hosts: readonly string[];
  readonly rewriter: UrlRewriter;
  /** The path of the gateway that answers, without a slash at its end. */
  readonly basePath: string;
  readonly privateCookies: readonly string[];
  /** The body is not what upstream sent. */
  readonly isRewritten: boolean;
}

/** Hop by hop, ours to say, or promises about another host's TLS and logging. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'x-request-id',
  'date',
  'alt-svc',
  'strict-transport-security',
  'public-key-pins',
  'expect-ct',
  'nel',
  'report-to',
  'reporting-endpoints',
]);

/** True of the bytes that upstream sent, and of no others. */
const OF_THE_BYTES = new Set([
  'content-encoding',
  'accept-ranges',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
]);

const WITH_URLS = new Set([
  'location',
  'content-location',
  'refresh',
  'link',
  'sourcemap',
  'x-sourcemap',
  'access-control-allow-origin',
]);

/** Of an answer on its way back, without its length. */
export function toOwnHeaders(headers: ResponseHeaders, context: ResponseContext): HeaderList {
  const named = valuesOf(headers['connection'])
    .flatMap((value) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  const isDropped = (name: string): boolean =>
    DROPPED.has(name) || named.includes(name) || (context.isRewritten && OF_THE_BYTES.has(name));
  return Object.entries(headers)
    .filter(([name]) => !isDropped(name))
    .flatMap(([name, value]) =>
      valuesOf(value).flatMap((one): HeaderList => {
        const changed = change(name, one, context);
        return changed === null || /[\r\n\0]/.test(changed) ? [] : [[name, changed]];
      }),
    );
}

/** Null: it stays here. */
function change(name: string, value: string, context: ResponseContext): string | null {
  const { own, rewriter, basePath, privateCookies, isRewritten } = context;
  if (name === 'location' || name === 'content-location') return toOwnLocation(value, context);
  if (WITH_URLS.has(name)) return rewriter.rewrite(value);
  if (name.startsWith('content-security-policy')) return toOwnPolicy(value, context);
  if (name === 'set-cookie') return toOwnCookie(value, own, privateCookies, basePath);
  // Still good for "has it changed", no longer for putting pieces together.
  if (name === 'etag' && isRewritten && !value.startsWith('W/')) return `W/${value}`;
  return value;
}

function toOwnLocation(value: string, { own, rewriter, basePath }: ResponseContext): string {
  const rewritten = rewriter.rewrite(value);
  if (basePath === '') return rewritten;
  const base = rewritten.startsWith(own.url) ? own.url : '';
  const rest = rewritten.slice(base.length);
  return rest === basePath || rest.startsWith(`${basePath}/`)
    ? `${base}${rest.slice(basePath.length) || '/'}`
    : rewritten;
}

function valuesOf(value: string | string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
