import type { IncomingHttpHeaders } from 'node:http';
import { isUuid } from './json-shape.ts';

/** What a browser would have sent and this request did not; empty when nothing is missing. */
export function findHeaderProblems(headers: IncomingHttpHeaders, streams: boolean): readonly string[] {
  const problems: string[] = [];
  if (!isUuid(headers['oai-device-id'])) problems.push('oai-device-id is not a uuid');
  if (!headers['user-agent']) problems.push('user-agent is missing');
  if (!isOwnHost(headers.origin, headers.host, '')) problems.push('origin is not this host');
  if (!isOwnHost(headers.referer, headers.host, '/')) problems.push('referer is not the page of this host');
  if (streams && !(headers.accept ?? '').includes('text/event-stream')) {
    problems.push('accept is not text/event-stream');
  }
  return problems;
}

function isOwnHost(value: string | undefined, host: string | undefined, tail: string): boolean {
  if (host === undefined) return false;
  return value === `http://${host}${tail}` || value === `https://${host}${tail}`;
}
