import { randomUUID } from 'node:crypto';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** Everything about a request but its body, copied while the native request is still valid. */
export interface RequestSnapshot {
  readonly id: string;
  /** Upper case. */
  readonly method: string;
  /** As sent, percent-encoding untouched. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  readonly remoteAddress: string;
  /** What a route's trailing `{name}` matched, decoded where it can be; null for exact routes. */
  readonly parameter: string | null;
  header(lowerCaseName: string): string | undefined;
  /** By name in lower case; the values of repeated ones are joined. */
  readonly headers: ReadonlyMap<string, string>;
}

const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Where a comma would not do. */
const SEPARATORS: Readonly<Record<string, string>> = { cookie: '; ' };

/** Must run before the first await of the native handler. */
export function takeSnapshot(
  req: HttpRequest,
  res: HttpResponse,
  parameter: string | null = null,
): RequestSnapshot {
  const headers = copyHeaders(req);
  return {
    id: requestId(headers.get('x-request-id')),
    method: req.getMethod().toUpperCase(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    remoteAddress: Buffer.from(res.getRemoteAddressAsText()).toString('latin1'),
    parameter,
    header: (name) => headers.get(name),
    headers,
  };
}

function copyHeaders(req: HttpRequest): Map<string, string> {
  const headers = new Map<string, string>();
  req.forEach((name, value) => {
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}${SEPARATORS[name] ?? ', '}${value}`);
  });
  return headers;
}

/** The caller's own id when it is fit for logs and headers. */
function requestId(proposed: string | undefined): string {
  if (proposed !== undefined && SANE_ID.test(proposed)) return proposed;
  // Node makes them in batches: 0.3 us, where asking for as many random bytes takes 3.6.
  return `req_${randomUUID().replaceAll('-', '')}`;
}
