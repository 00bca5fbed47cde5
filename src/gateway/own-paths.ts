/** How often an encoding may be encoded: some servers decode once more than they should. */
const MAX_DECODINGS = 3;

/** True for a path that must not go upstream. */
export type OwnPaths = (path: string) => boolean;

/**
 * Ours is whatever lies below the first segment of a route of ours, or below the prefix, and whatever
 * some server could take for that: `//tokens`, `/x/../v1/models`, `/%76%31/models`. Our own router
 * knows none of these; upstream must not be asked for them either.
 */
export function createOwnPaths(routePaths: readonly string[], prefix: string): OwnPaths {
  const roots = new Set(routePaths.map((path) => firstSegment(path)));
  const base = prefix.toLowerCase();
  return (path) => {
    if (!path.startsWith('/')) return true;
    const plain = plainPath(path);
    if (roots.has(firstSegment(plain))) return true;
    return base !== '' && (plain === base || plain.startsWith(`${base}/`));
  };
}

/** The path and query to ask upstream for; null: it would climb out of where it belongs. */
export function toTarget(path: string, query: string): string | null {
  const ascii = toAscii(path);
  if (ascii === null) return null;
  const tidy = hasDots(ascii) ? new URL(ascii, 'http://h/').pathname : ascii;
  // What is left is hidden behind an encoded slash.
  if (hasDots(decoded(tidy))) return null;
  return query === '' ? tidy : `${tidy}?${toAscii(query) ?? ''}`;
}

function firstSegment(path: string): string {
  return path.split('/', 2)[1] ?? '';
}

/** What ends a segment for some server once it is decoded: parameters, a query, a fragment, a string of C's. */
const END = /[;?#\0]/;

/** Decoded, in lower case, without empty segments, dots and parameters. */
function plainPath(path: string): string {
  const kept: string[] = [];
  for (const segment of decoded(path)
    .toLowerCase()
    .split(/[/\\]+/)) {
    const name = segment.split(END, 1)[0]?.trim() ?? '';
    if (name === '..') kept.pop();
    else if (name !== '' && name !== '.') kept.push(name);
  }
  return `/${kept.join('/')}`;
}

function decoded(path: string): string {
  let text = path;
  for (let turn = 0; turn < MAX_DECODINGS && text.includes('%'); turn += 1) {
    text = text.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return text;
}

function hasDots(path: string): boolean {
  return /(?:^|[/\\])(?:\.|%2e){1,2}(?=[/\\;]|$)/i.test(path);
}

/** Null: not even text. */
function toAscii(text: string): string | null {
  try {
    return text.replace(/[^\x21-\x7e]+/g, (odd) => encodeURIComponent(odd));
  } catch {
    return null;
  }
}
