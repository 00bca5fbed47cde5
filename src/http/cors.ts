import type { HeaderList } from './headers.ts';

const EXPOSED = [
  'x-request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'openai-processing-ms',
  'openai-version',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
];

const MAX_AGE_S = 86_400;

/** Asked for when the browser names none. */
const DEFAULT_REQUEST_HEADERS = 'authorization, content-type';

/**
 * On every answer, errors too: a browser shows a page nothing of an answer without them. Keys travel in
 * `authorization`, never in cookies, so every origin is welcome and credentials are not.
 */
export const CORS_HEADERS: HeaderList = [
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', EXPOSED.join(', ')],
];

/** What a preflight is told beside `CORS_HEADERS`. The list of headers is echoed: `*` would not cover authorization. */
export function preflightHeaders(requestedHeaders: string | undefined): HeaderList {
  const allowed = requestedHeaders && HEADER_NAMES.test(requestedHeaders) ? requestedHeaders : undefined;
  return [
    ['access-control-allow-methods', 'GET, POST, OPTIONS, DELETE'],
    ['access-control-allow-headers', allowed ?? DEFAULT_REQUEST_HEADERS],
    ['access-control-max-age', String(MAX_AGE_S)],
    ['vary', 'Access-Control-Request-Headers'],
  ];
}

const HEADER_NAMES = /^[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}$/;
