import type { RequestSnapshot } from './request.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** What clients call us. */
export interface OwnOrigin {
  /** Scheme, host and port, and PUBLIC_URL's path; no trailing slash. */
  readonly url: string;
  readonly host: string;
  readonly isSecure: boolean;
}

export interface OwnOriginOptions {
  /** PUBLIC_URL. */
  readonly publicUrl: string | null;
  readonly trusted: TrustedProxies;
}

const HOST = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/;

/** Null: the request names no host that could be one. */
export type FindOwnOrigin = (request: RequestSnapshot) => OwnOrigin | null;

export function createFindOwnOrigin({ publicUrl, trusted }: OwnOriginOptions): FindOwnOrigin {
  if (publicUrl !== null) {
    const fixed = toOwn(publicUrl);
    return () => fixed;
  }
  return (request) => {
    const believed = !trusted.isEmpty && trusted.has(request.remoteAddress);
    const forwarded = (name: string): string => (believed ? firstOf(request.header(name)) : '');
    const host = forwarded('x-forwarded-host') || request.header('host') || '';
    if (!HOST.test(host)) return null;
    const isSecure = forwarded('x-forwarded-proto').toLowerCase() === 'https';
    return { url: `${isSecure ? 'https' : 'http'}://${host}`, host, isSecure };
  };
}

function toOwn(url: string): OwnOrigin {
  const [scheme = '', rest = ''] = url.split('://', 2);
  return { url, host: rest.split('/', 1)[0] ?? '', isSecure: scheme === 'https' };
}

/** Each proxy on the way may add a value: the first is the one that the client met. */
function firstOf(value: string | undefined): string {
  return value?.split(',', 1)[0]?.trim() ?? '';
}
