import type { OwnOrigin } from '../http/own-origin.ts';

interface PolicyContext {
  readonly own: OwnOrigin;
  readonly hosts: readonly string[];
}

/** These would send the pages of a plain HTTP server to a TLS one that is not there. */
const TLS_ONLY = /^(?:upgrade-insecure-requests|block-all-mixed-content)$/i;

/** A content security policy in which our own address stands where upstream's hosts stood. */
export function toOwnPolicy(policy: string, context: PolicyContext): string {
  return policy
    .split(';')
    .map((directive) => directive.trim().split(/\s+/))
    .filter(([name = '']) => name !== '' && (context.own.isSecure || !TLS_ONLY.test(name)))
    .map(([name, ...sources]) => [name, ...new Set(sources.flatMap((source) => toOwn(source, context)))])
    .map((directive) => directive.join(' '))
    .join('; ');
}

const SOURCE = /^(?:([a-z][a-z\d+.-]*):\/\/)?(\*\.)?([\w.-]+)(?::(?:\d+|\*))?(\/[^\s]*)?$/i;

function toOwn(source: string, { own, hosts }: PolicyContext): readonly string[] {
  const [, scheme = '', wildcard, name = '', path = ''] = SOURCE.exec(source) ?? [];
  const host = name.toLowerCase();
  const address = /^ws/i.test(scheme) ? own.url.replace(/^http/, 'ws') : own.url;
  if (wildcard === undefined) {
    const isUpstream = hosts.some((known) => known === host || known.split(':', 1)[0] === host);
    return isUpstream ? [address + path] : [source];
  }
  return hosts.some((known) => known.endsWith(`.${host}`)) ? [source, address] : [source];
}
