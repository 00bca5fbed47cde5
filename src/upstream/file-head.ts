import type { FileHead } from '../chat/file-ports.ts';
import { ChatError } from '../errors.ts';
import { headerText } from '../outbound/exchange.ts';
import type { ResponseHeaders } from '../outbound/send.ts';

/** What tells a reader about the bytes. Everything else, cookies first, is between upstream and us. */
const PASSED_ON = [
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
] as const;

const UNTYPED = 'application/octet-stream';

interface KnownFile {
  readonly name: string | null;
  readonly mimeType: string | null;
}

/** The head of a file that is coming; null: the answer is none. */
export function toFileHead(status: number, headers: ResponseHeaders, known: KnownFile): FileHead | null {
  if (status !== 200 && status !== 206 && status !== 416) return null;
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headerText(headers, name);
    if (isPlain(value) && !(name === 'content-encoding' && value.toLowerCase() === 'identity')) {
      passed[name] = value;
    }
  }
  const size = status === 416 ? 0 : sizeOf(headers);
  return { status, headers: withType(passed, known.mimeType), size, name: known.name };
}

/** What the backend said when it named the file is better than nothing, or than "some bytes". */
function withType(headers: Record<string, string>, mimeType: string | null): Record<string, string> {
  const told = headers['content-type'] ?? UNTYPED;
  const known = mimeType !== null && isPlain(mimeType) ? mimeType : UNTYPED;
  return { ...headers, 'content-type': told === UNTYPED ? known : told };
}

function isPlain(value: string): boolean {
  return /^[\x20-\x7e]+$/.test(value);
}

function sizeOf(headers: ResponseHeaders): number | null {
  const length = headerText(headers, 'content-length');
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}

/** Why there is no file, in words for whoever followed its link. */
export function toFileRefusal(status: number, headers: ResponseHeaders): ChatError {
  switch (status) {
    case 401:
    case 403:
      return new ChatError('upstream_refused', 'The backend does not give this file out. Ask for it again.');
    case 404:
    case 410:
      return new ChatError('unknown_url', 'The backend no longer has this file. Ask for it again.');
    case 429: {
      const seconds = Number(headerText(headers, 'retry-after') || Number.NaN);
      return new ChatError(
        'rate_limit_exceeded',
        'The backend gives out no more files for now.',
        seconds >= 0 ? { retryAfterS: seconds } : {},
      );
    }
    default:
      if (status >= 500) {
        return new ChatError('upstream_error', `The backend failed to give out the file: status ${status}.`);
      }
      return new ChatError('upstream_protocol_error', `The backend answered with status ${status}, no file.`);
  }
}
