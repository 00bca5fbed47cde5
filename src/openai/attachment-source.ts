import { ChatError } from '../errors.ts';
import type { Attachment } from '../conversation/turn.ts';

type Source = Pick<Attachment, 'source' | 'mimeType'>;

/** What may stand in a Content-Type header. */
const MEDIA_TYPE = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/;
/** Looked for one by one: a pattern for the whole text would need a stack as long as the text. */
const NO_BASE64 = /[^\w+/-]/;

/** A `data:` or http(s) URL, or, where allowed, base64 as it is. Throws `invalid_attachment` naming `param`. */
export function parseSource(text: string, param: string, allowBase64: boolean): Source {
  const trimmed = text.trim();
  if (/^data:/i.test(trimmed)) return parseDataUrl(trimmed, param);
  if (/^https?:/i.test(trimmed)) return parseHttpUrl(trimmed, param);
  if (allowBase64) return { source: toBase64Source(trimmed, param), mimeType: null };
  throw bad(param, 'is neither a data: URL nor an http:// or https:// URL');
}

function parseHttpUrl(url: string, param: string): Source {
  if (!URL.canParse(url)) throw bad(param, 'is not a valid URL');
  return { source: { kind: 'url', url }, mimeType: null };
}

/** `data:image/png;base64,...`, also with other parameters, also percent-encoded without `;base64`. */
function parseDataUrl(text: string, param: string): Source {
  const comma = text.indexOf(',');
  if (comma < 0) throw bad(param, 'is a data: URL without a comma');
  const [mediaType = '', ...parameters] = text
    .slice('data:'.length, comma)
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (mediaType !== '' && !MEDIA_TYPE.test(mediaType)) throw bad(param, 'has no valid media type');
  const isBase64 = parameters.includes('base64');
  const payload = percentDecoded(text.slice(comma + 1), param);
  const base64 = isBase64 ? payload : Buffer.from(payload, 'utf8').toString('base64');
  return { source: toBase64Source(base64, param), mimeType: mediaType || null };
}

function percentDecoded(text: string, param: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad(param, 'is percent-encoded in a way that cannot be read');
  }
}

/** Line breaks, the URL alphabet and absent padding are taken as they are meant. */
function toBase64Source(text: string, param: string): Source['source'] {
  const base64 = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  const digits = base64.replace(/={1,2}$/, '');
  if (digits === '') throw bad(param, 'is empty');
  if (NO_BASE64.test(digits) || digits.length % 4 === 1) throw bad(param, 'is not valid base64');
  return { kind: 'base64', base64 };
}

function bad(param: string, how: string): ChatError {
  return new ChatError('invalid_attachment', `The attachment in '${param}' ${how}.`, { param });
}
