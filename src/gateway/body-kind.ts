import { headerText, mediaType } from '../outbound/exchange.ts';
import type { ResponseHeaders } from '../outbound/send.ts';
import { isDecodable } from './text-body.ts';

/** What is done with an answer's body. */
export type BodyKind =
  /** Passed as it is. */
  | { readonly kind: 'raw' }
  /** Passed as it is, and its head must not wait for it. */
  | { readonly kind: 'events' }
  /** Its URLs become ours; `encoding` empty: it is not compressed. */
  | { readonly kind: 'text'; readonly encoding: string };

const TEXT =
  /^(?:text\/(?:html|css|javascript|ecmascript|json|xml|x-component|x-script)|application\/(?:javascript|x-javascript|ecmascript|json|xml|manifest\+json|importmap\+json)|[\w.-]+\/[\w.+-]+\+(?:json|xml))$/;

/** What is said in a conversation is nobody's to change. */
const UNTOUCHED_PATHS = /\/(?:conversation|register-websocket)/;

const RAW: BodyKind = { kind: 'raw' };

export function bodyKind(path: string, status: number, headers: ResponseHeaders): BodyKind {
  const type = mediaType(headers);
  const encoding = headerText(headers, 'content-encoding')
    .trim()
    .toLowerCase()
    .replace(/^identity$/, '');
  if (type === 'text/event-stream') return encoding === '' ? { kind: 'events' } : RAW;
  // The rest of a part would not fit a rewritten beginning.
  const isWhole = status !== 206;
  const isWide = /charset=["']?utf-(?:16|32)/i.test(headerText(headers, 'content-type'));
  if (!isWhole || isWide || !TEXT.test(type) || UNTOUCHED_PATHS.test(path)) return RAW;
  return isDecodable(encoding) ? { kind: 'text', encoding } : RAW;
}
