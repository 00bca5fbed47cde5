import { randomHex } from '../random-ids.ts';
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
  /** Empty when it is first asked for after the client left. */
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
  return new Snapshot(req, res, parameter);
}

/**
 * What few requests are asked for is made when they are: the Map of the headers (1.5 us for eleven of them;
 * a walk along the list takes 20 ns), and the address (2 us and a system call).
 */
class Snapshot implements RequestSnapshot {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly parameter: string | null;
  readonly #res: HttpResponse;
  /** Names and values in turn. */
  readonly #pairs: string[] = [];
  #headers: ReadonlyMap<string, string> | null = null;
  #address: string | null = null;

  constructor(req: HttpRequest, res: HttpResponse, parameter: string | null) {
    req.forEach((name, value) => {
      this.#pairs.push(name, value);
    });
    this.id = requestId(this.header('x-request-id'));
    this.method = req.getMethod().toUpperCase();
    this.path = req.getUrl();
    this.query = req.getQuery() ?? '';
    this.parameter = parameter;
    this.#res = res;
  }

  get remoteAddress(): string {
    return (this.#address ??= addressOf(this.#res));
  }

  get headers(): ReadonlyMap<string, string> {
    return (this.#headers ??= toMap(this.#pairs));
  }

  header(name: string): string | undefined {
    const pairs = this.#pairs;
    let joined: string | undefined;
    for (let at = 0; at < pairs.length; at += 2) {
      if (pairs[at] === name) joined = join(name, joined, pairs[at + 1] as string);
    }
    return joined;
  }
}

function toMap(pairs: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at] as string;
    headers.set(name, join(name, headers.get(name), pairs[at + 1] as string));
  }
  return headers;
}

function join(name: string, earlier: string | undefined, value: string): string {
  return earlier === undefined ? value : `${earlier}${SEPARATORS[name] ?? ', '}${value}`;
}

/** Of a client that has left nothing can be asked any more. */
function addressOf(res: HttpResponse): string {
  try {
    return Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
  } catch {
    return '';
  }
}

/** The caller's own id when it is fit for logs and headers. */
function requestId(proposed: string | undefined): string {
  if (proposed !== undefined && SANE_ID.test(proposed)) return proposed;
  return `req_${randomHex()}`;
}
