import { lookup as lookupDns } from 'node:dns/promises';
import { isIP } from 'node:net';
import { ChatError } from '../errors.ts';
import { orAborted } from '../or-aborted.ts';
import { isLocalName, isPublicAddress } from './address-guard.ts';
import { createDial } from './dial.ts';
import { headerText, mediaType } from './exchange.ts';
import { fileTooLarge, forbidden, toFileFailure, unfetchable } from './file-failure.ts';
import { createPatience } from './patience.ts';
import type { Patience } from './patience.ts';
import { parseProxy } from './proxy.ts';
import { pullResponse } from './pull-response.ts';
import type { PulledResponse } from './pull-response.ts';

export interface FetchFileOptions {
  /** EXPORT_PROXY_URL; null: straight out. */
  readonly proxyUrl: string | null;
  readonly userAgent: string;
  /** MAX_FILE_BYTES. */
  readonly maxBytes: number;
  readonly connectTimeoutMs: number;
  /** For the file to arrive; the time in which nobody takes it does not count. */
  readonly timeoutMs?: number;
  /** May a URL lead there? Only tests have reason to allow more than the public internet. */
  readonly allowAddress?: ((address: string) => boolean) | undefined;
  /** All addresses of a name. */
  readonly lookup?: (host: string) => Promise<readonly string[]>;
}

export interface FetchedFile {
  /** In lower case without parameters; null: the server did not say. */
  readonly mimeType: string | null;
  /** Null: the server did not say. */
  readonly sizeBytes: number | null;
  /** Can be read once. Rejects like the fetch itself, and when it was closed. */
  readonly chunks: AsyncIterableIterator<Uint8Array>;
  /** Ends the connection. Idempotent, and due in any case. */
  close(): void;
}

/**
 * Fetches what a user's URL names; `param` is the field that it came from. Rejects with
 * `invalid_attachment` or `request_too_large` naming the field, with `upstream_unreachable` when our own
 * proxy is at fault, or with the signal's reason.
 */
export type FetchFile = (url: string, param: string, signal: AbortSignal) => Promise<FetchedFile>;

/** One fetch with all its redirects. */
interface Fetch {
  readonly param: string;
  readonly patience: Patience;
  /** Ends with the caller's signal, the time limit, or `close`. */
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 60_000;
const MAX_REDIRECTS = 5;
/** What may be sent on in a header of ours. */
const MEDIA_TYPE = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Nobody may reach our own network through a URL: an address is checked after the name was looked up,
 * at every redirect, and the connection goes to the very address that was checked. Through a proxy the
 * same holds, and the proxy is told the address, with two exceptions, for which the proxy's own rules
 * must do: `socks5h` leaves all names to the proxy, and an http proxy gets those that we cannot look up.
 */
export function createFetchFile(options: FetchFileOptions): FetchFile {
  const { maxBytes, timeoutMs = TIMEOUT_MS, allowAddress = isPublicAddress, lookup = lookupAll } = options;
  const proxy = options.proxyUrl === null ? null : parseProxy(options.proxyUrl, 'the proxy for files');
  if (options.proxyUrl !== null && proxy === null) throw new TypeError('EXPORT_PROXY_URL is no proxy URL');
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': options.userAgent };

  /** Null: the proxy looks the name up. */
  async function checkedAddresses(url: URL, { param, signal }: Fetch): Promise<readonly string[] | null> {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const isName = isIP(host) === 0;
    if (isName && isLocalName(host)) throw forbidden(param);
    if (isName && proxy?.protocol === 'socks5h') return null;
    const addresses = isName
      ? await orAborted(
          lookup(host).catch(() => []),
          signal,
        )
      : [host];
    if (!addresses.every(allowAddress)) throw forbidden(param);
    if (addresses.length > 0) return addresses;
    if (proxy !== null && proxy.protocol !== 'socks5') return null;
    throw unfetchable(param, 'its host name is not known');
  }

  async function get(url: URL, fetch: Fetch): Promise<PulledResponse> {
    const { param, patience, signal } = fetch;
    const addresses = await checkedAddresses(url, fetch);
    const dial = createDial({ proxy, timeoutMs: options.connectTimeoutMs, addresses });
    const tooLarge = (): ChatError => fileTooLarge(param, maxBytes);
    const toFailure = (error: ChatError): ChatError => toFileFailure(error, param);
    return pullResponse(url, { dial, headers, patience, maxBytes, tooLarge, toFailure }, signal);
  }

  async function follow(start: string, fetch: Fetch): Promise<PulledResponse> {
    let url = new URL(start);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const response = await get(url, fetch);
      if (!REDIRECTS.has(response.status)) return response;
      response.close();
      url = redirectTarget(url, headerText(response.headers, 'location'), fetch.param);
    }
    throw unfetchable(fetch.param, `it redirects more than ${MAX_REDIRECTS} times`);
  }

  return async (url, param, signal) => {
    signal.throwIfAborted();
    const scope = new AbortController();
    const onAbort = (): void => scope.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const tooSlow = unfetchable(param, `it did not arrive within ${timeoutMs / 1000} s`);
    const patience = createPatience(timeoutMs, () => scope.abort(tooSlow));
    const close = (): void => {
      patience.stop();
      signal.removeEventListener('abort', onAbort);
      scope.abort(new ChatError('internal_error', 'The file was closed.'));
    };
    try {
      const response = await follow(url, { param, patience, signal: scope.signal });
      return { ...describe(response, param, maxBytes), chunks: response.chunks, close };
    } catch (error) {
      close();
      throw error;
    }
  };
}

async function lookupAll(host: string): Promise<readonly string[]> {
  return (await lookupDns(host, { all: true })).map(({ address }) => address);
}

function redirectTarget(from: URL, location: string, param: string): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (location !== '' && target !== null && /^https?:$/.test(target.protocol)) return target;
  throw unfetchable(param, 'it redirects to something that is no http:// or https:// URL');
}

function describe(
  { status, headers }: PulledResponse,
  param: string,
  maxBytes: number,
): Pick<FetchedFile, 'mimeType' | 'sizeBytes'> {
  if (status !== 200) throw unfetchable(param, `its server answered ${status}`);
  const encoding = headerText(headers, 'content-encoding').trim().toLowerCase();
  if (encoding !== '' && encoding !== 'identity')
    throw unfetchable(param, 'its server compressed it unasked');
  const length = headerText(headers, 'content-length');
  const sizeBytes = /^\d+$/.test(length) ? Number(length) : null;
  if (sizeBytes !== null && sizeBytes > maxBytes) throw fileTooLarge(param, maxBytes);
  const mimeType = mediaType(headers);
  return { mimeType: MEDIA_TYPE.test(mimeType) ? mimeType : null, sizeBytes };
}
