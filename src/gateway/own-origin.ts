import { BlockList, isIP } from 'node:net';
import type { RequestSnapshot } from '../http/request.ts';

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
  /** TRUST_PROXY. */
  readonly trusted: readonly string[];
}

const HOST = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/;

/** Null: the request names no host that could be one. */
export type FindOwnOrigin = (request: RequestSnapshot) => OwnOrigin | null;

export function createFindOwnOrigin({ publicUrl, trusted }: OwnOriginOptions): FindOwnOrigin {
  if (publicUrl !== null) {
    const fixed = toOwn(publicUrl);
    return () => fixed;
  }
  const isTrusted = createTrust(trusted);
  return (request) => {
    const believed = isTrusted(request.remoteAddress);
    const forwarded = (name: string): string => (believed ? firstOf(request.header(name)) : '');
    const host = forwarded('x-forwarded-host') || request.header('host') || '';
    if (!HOST.test(host)) return null;
    const isSecure = forwarded('x-forwarded-proto').toLowerCase() === 'https';
    return toOwn(`${isSecure ? 'https' : 'http'}://${host}`);
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

function createTrust(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/', 2);
    const family = familyOf(address);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
