/** Puts one address in place of several hosts'. Texts are Latin-1: one character per byte, whatever the charset. */
export interface UrlRewriter {
  /** A text that is whole. */
  rewrite(text: string): string;
  /** A text that comes in pieces. */
  open(): RewriteStream;
}

export interface RewriteStream {
  /** What is decided by now: a piece that may be the beginning of a URL is kept back. */
  push(chunk: Uint8Array): Buffer;
  end(): Buffer;
}

interface Cut {
  readonly text: string;
  /** Where the undecided part begins. */
  readonly end: number;
}

/** Scheme, separators and lookahead of the longest match, beside the host. */
const FRAME_CHARS = 40;

/** The characters of matches and of what decides about their end. */
const URL_CHARS = /[\w:/\\%.-]*$/;

/** Before two slashes without a scheme: they are no URL's beginning, but in the middle of something. */
const NO_BEGINNING = /[\w:/\\%.)\]-]/;

/**
 * Absolute URLs of `hosts` become those of `ownUrl`: also of web sockets, without scheme, and as JSON and
 * query strings escape them. `ownUrl` ends without a slash.
 */
export function createUrlRewriter(hosts: readonly string[], ownUrl: string): UrlRewriter {
  const pattern = toPattern(hosts);
  const longest = FRAME_CHARS + Math.max(...hosts.map((host) => host.length));

  /** Replaces what begins in [start, limit); the character before `start` is context. */
  function replace(text: string, start: number, limit: number): Cut {
    let out = '';
    let at = start;
    pattern.lastIndex = start;
    for (let match = pattern.exec(text); match !== null && match.index < limit; match = pattern.exec(text)) {
      const [whole, scheme = '', , slashes = ''] = match;
      const isUrl = scheme !== '' || !NO_BEGINNING.test(text.charAt(match.index - 1));
      out += text.slice(at, match.index) + (isUrl ? ownFor(scheme, slashes) : whole);
      at = match.index + whole.length;
    }
    const end = Math.max(at, limit);
    return { text: out + text.slice(at, end), end };
  }

  function ownFor(scheme: string, slashes: string): string {
    const own = /^ws/i.test(scheme) ? ownUrl.replace(/^http/, 'ws') : ownUrl;
    const plain = scheme === '' ? own.slice(own.indexOf('//')) : own;
    if (slashes.startsWith('%')) return encodeURIComponent(plain);
    return plain.replaceAll('/', slashes.slice(0, slashes.length / 2));
  }

  /** How much of the end may still become a match. */
  function undecided(text: string): number {
    return URL_CHARS.exec(text.slice(-longest))?.[0].length ?? 0;
  }

  return {
    rewrite: (text) => replace(text, 0, text.length).text,
    open() {
      let context = '';
      let rest = '';
      const advance = (limitOf: (text: string) => number, added: string): Buffer => {
        const text = context + rest + added;
        const cut = replace(text, context.length, Math.max(context.length, limitOf(text)));
        context = text.slice(Math.max(0, cut.end - 1), cut.end);
        rest = text.slice(cut.end);
        return Buffer.from(cut.text, 'latin1');
      };
      return {
        push: (chunk) =>
          advance(
            (text) => text.length - undecided(text),
            Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1'),
          ),
        end: () => advance((text) => text.length, ''),
      };
    },
  };
}

function toPattern(hosts: readonly string[]): RegExp {
  const names = hosts
    .toSorted((a, b) => b.length - a.length)
    .map((host) => host.replaceAll(/[^\w]/g, String.raw`\$&`))
    .join('|');
  const scheme = String.raw`(?:(https?|wss?)(:|%3A))?`;
  const slashes = String.raw`(\/\/|\\\/\\\/|\\u002F\\u002F|%2F%2F)`;
  const port = String.raw`(?::(?:443|80)(?!\d))?`;
  return new RegExp(`${scheme}${slashes}(?:${names})${port}(?![\\w-]|\\.\\w|:\\d|%3A\\d)`, 'gi');
}
