import { ERRORS } from '../errors.ts';
import type { ChatError } from '../errors.ts';

/** Names in lower case; values without control characters. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** What an error says in headers: whether and when to come back, and how to authenticate. */
export function errorHeaders(error: ChatError): HeaderList {
  const headers: [string, string][] = [];
  if (error.retryAfterS !== null) {
    const seconds = Math.max(0, error.retryAfterS);
    headers.push(['retry-after', String(Math.ceil(seconds))]);
    headers.push(['retry-after-ms', String(Math.ceil(seconds * 1000))]);
  }
  if (ERRORS[error.code].clientRetry === false) headers.push(['x-should-retry', 'false']);
  if (error.status === 401) headers.push(['www-authenticate', 'Bearer']);
  return headers;
}
