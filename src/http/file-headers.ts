import type { FileHead } from '../chat/file-ports.ts';
import type { HeaderList } from './headers.ts';

/** Documents that a browser would run in this proxy's name. */
const ACTIVE_TYPE = /html|xml|svg|script/i;

const HALF_CHARACTER = /\p{Cs}/u;

/** For files: what upstream said of the bytes, and what keeps them from doing harm in a browser. */
export function fileHeaders({ headers, name }: FileHead): HeaderList {
  const type = headers['content-type'] ?? '';
  return [
    ...Object.entries(headers),
    ...(headers['content-disposition'] === undefined ? disposition(name, type) : []),
    ...(ACTIVE_TYPE.test(type) ? [SANDBOXED] : []),
    ['x-content-type-options', 'nosniff'],
    ['cache-control', 'private, no-transform'],
  ];
}

const SANDBOXED = [
  'content-security-policy',
  "default-src 'none'; style-src 'unsafe-inline'; sandbox",
] as const;

/** A file that upstream named is for saving; a picture is for looking at. */
function disposition(name: string | null, type: string): HeaderList {
  const base = name?.split(/[/\\]/).at(-1) ?? '';
  if (base === '' || HALF_CHARACTER.test(base)) return [];
  const how = type.startsWith('image/') ? 'inline' : 'attachment';
  return [['content-disposition', `${how}; filename*=UTF-8''${encodeName(base)}`]];
}

/** As RFC 8187 wants it: some characters that URLs may have, a header's parameter may not. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
