import type { OwnOrigin } from '../http/own-origin.ts';

/** Browsers keep cookies of these names only when they came over TLS. */
const PREFIXES: readonly (readonly [theirs: string, ours: string])[] = [
  ['__Secure-', 'c2a-secure-'],
  ['__Host-', 'c2a-host-'],
];

/** The `Cookie` header for upstream; empty: none. `secrets` are names of cookies that stay here. */
export function toUpstreamCookies(header: string, secrets: readonly string[]): string {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !secrets.includes(nameOf(pair)))
    .map((pair) => renamed(pair, 'back'))
    .join('; ');
}

/**
 * A `Set-Cookie` of upstream as one of ours: bound to our host alone, and over plain HTTP such that a
 * browser keeps it. `basePath` is where upstream's `/` is. Null: it would take the place of a cookie of ours.
 */
export function toOwnCookie(
  header: string,
  { isSecure }: Pick<OwnOrigin, 'isSecure'>,
  secrets: readonly string[],
  basePath = '',
): string | null {
  const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
  if (secrets.includes(nameOf(pair))) return null;
  const kept = attributes
    .filter((attribute) => attribute !== '' && !isDropped(attribute, isSecure))
    .map((attribute) => (isSecure ? attribute : attribute.replace(/^SameSite=None$/i, 'SameSite=Lax')))
    .map((attribute) => toOwnPath(attribute, basePath));
  return [isSecure ? pair : renamed(pair, 'forth'), ...kept].join('; ');
}

function toOwnPath(attribute: string, basePath: string): string {
  const [, path] = /^path=(.*)$/i.exec(attribute) ?? [];
  const isBelow = basePath !== '' && (path === basePath || path?.startsWith(`${basePath}/`) === true);
  return isBelow ? `Path=${path?.slice(basePath.length) || '/'}` : attribute;
}

function isDropped(attribute: string, isSecure: boolean): boolean {
  const name = nameOf(attribute).toLowerCase();
  return name === 'domain' || (!isSecure && (name === 'secure' || name === 'partitioned'));
}

function nameOf(pair: string): string {
  return pair.split('=', 1)[0]?.trim() ?? '';
}

function renamed(pair: string, way: 'forth' | 'back'): string {
  for (const [theirs, ours] of PREFIXES) {
    const [from, to] = way === 'forth' ? [theirs, ours] : [ours, theirs];
    if (pair.toLowerCase().startsWith(from.toLowerCase())) return to + pair.slice(from.length);
  }
  return pair;
}
