/** What stands at a place of a text where something of upstream's begins. */
export type Found =
  | { readonly kind: 'marker'; readonly length: number }
  | { readonly kind: 'file'; readonly length: number; readonly path: string }
  /** Upstream's, but without a meaning. */
  | { readonly kind: 'noise'; readonly length: number }
  | { readonly kind: 'text'; readonly length: number }
  /** More text is needed to tell. */
  | { readonly kind: 'undecided' };

/** UTF-16 units; what goes on for longer is no marker and no path. */
const MAX_MARKER_LENGTH = 1024;
const FILE_PREFIX = '(sandbox:';

/** The start of everything that `findAt` knows. */
const BEGINNING = /[(\u3010\uE200-\uE206]/g;
const CITED = /^\u3010[\w:-]{1,40}\u2020[^\u3010\u3011\n]{0,256}\u3011/;
const CITED_SO_FAR = /^\u3010(?:[\w:-]{0,40}|[\w:-]{1,40}\u2020[^\u3010\u3011\n]{0,256})$/;
const SIGNED = /^\uE200[^\uE200\uE201]*\uE201/;
const SIGNED_SO_FAR = /^\uE200[^\uE200\uE201]*$/;
/** The words of a marker that was never closed; none of them is followed by a blank. */
const UNCLOSED = /^\uE200(?:\w*(?:\uE202[^\s\uE200-\uE206]*)+)?/;

/** Upstream's own signs, inside of markers and alone, mean nothing to anybody else. */
export function withoutSigns(text: string): string {
  return text.replace(/[\uE200-\uE206]+/g, '');
}

/** Where the next marker or file may begin, from `from` on; the text's length when nowhere. */
export function nextBeginning(text: string, from: number): number {
  BEGINNING.lastIndex = from;
  return BEGINNING.exec(text)?.index ?? text.length;
}

/** What begins at `at`, a place that `nextBeginning` gave. `isLast`: no more text comes. */
export function findAt(text: string, at: number, isLast: boolean): Found {
  const window = text.slice(at, at + MAX_MARKER_LENGTH);
  const mayGrow = !isLast && window.length < MAX_MARKER_LENGTH;
  switch (text.charCodeAt(at)) {
    case 0x28:
      return findFile(window, mayGrow);
    case 0x3010:
      return findCited(window, mayGrow);
    case 0xe200:
      return findSigned(window, mayGrow);
    default:
      return { kind: 'noise', length: 1 };
  }
}

/** `(sandbox:/mnt/data/r.csv)`, the target of a link. The parentheses stay text. */
function findFile(window: string, mayGrow: boolean): Found {
  const text: Found = { kind: 'text', length: 1 };
  if (!window.startsWith(FILE_PREFIX)) {
    return mayGrow && FILE_PREFIX.startsWith(window) ? { kind: 'undecided' } : text;
  }
  const rest = window.slice(FILE_PREFIX.length);
  const end = rest.search(/[)\n]/);
  if (end < 0) return mayGrow ? { kind: 'undecided' } : text;
  if (end === 0 || rest.charAt(end) === '\n') return text;
  const path = rest.slice(0, end);
  return /[\uE200-\uE206]/.test(path) ? text : { kind: 'file', length: FILE_PREFIX.length + end + 1, path };
}

/** `【3†source】`. Other things in such brackets are text: much of the world quotes with them. */
function findCited(window: string, mayGrow: boolean): Found {
  const length = CITED.exec(window)?.[0].length;
  if (length !== undefined) return { kind: 'marker', length };
  if (!CITED_SO_FAR.test(window)) return { kind: 'text', length: 1 };
  if (mayGrow) return { kind: 'undecided' };
  return window.includes('\u2020') ? { kind: 'noise', length: window.length } : { kind: 'text', length: 1 };
}

/** U+E200, a kind, U+E202, what it refers to, ..., U+E201. */
function findSigned(window: string, mayGrow: boolean): Found {
  const length = SIGNED.exec(window)?.[0].length;
  if (length !== undefined) return { kind: 'marker', length };
  if (mayGrow && SIGNED_SO_FAR.test(window)) return { kind: 'undecided' };
  return { kind: 'noise', length: UNCLOSED.exec(window)?.[0].length ?? 1 };
}
