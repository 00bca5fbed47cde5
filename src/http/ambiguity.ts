import { ChatError } from '../errors.ts';
import type { RequestSnapshot } from './request.ts';

/** More digits name no size that anybody could send. */
const LENGTH = /^\d{1,15}$/;

/** What would end a host, or begin another one. */
const NO_HOST = /[\s,/\\?#@]/;

/**
 * The answer to a request of which two servers could read different things: where its body ends, or whom it
 * is for. The native server takes the first of several lengths, and every transfer coding for `chunked`; a
 * server before us may not. Null: there is one reading.
 */
export function findAmbiguity(request: RequestSnapshot): ChatError | null {
  const coding = request.header('transfer-encoding');
  const length = request.header('content-length');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return ambiguous('Transfer-Encoding');
  if (length !== undefined && (coding !== undefined || !LENGTH.test(length)))
    return ambiguous('Content-Length');
  if (NO_HOST.test(request.header('host') ?? '')) return ambiguous('Host');
  if (request.header('') !== undefined) return ambiguous('');
  return null;
}

function ambiguous(name: string): ChatError {
  const what = name === '' ? 'A header without a name' : `The header "${name}"`;
  return new ChatError(
    'invalid_value',
    `${what} makes it unclear what this request is. Each may come once, with one value.`,
  );
}
