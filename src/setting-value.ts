import { isIP } from 'node:net';

/** Text of a variable, trimmed and not empty, to its value. Throws `BadValue`. */
export type Parser<T> = (text: string) => T;

/** The message continues a sentence whose subject is the value: "is not a whole number". */
export class BadValue extends Error {
  override readonly name = 'BadValue';
  /** Position of the bad item in a list, from 1; null: the value is no list. */
  readonly item: number | null;

  constructor(message: string, item: number | null = null) {
    super(message);
    this.item = item;
  }
}

export function wholeNumber(min: number, max: number): Parser<number> {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new BadValue(`is not a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

const YES: readonly string[] = ['true', '1', 'yes', 'on', 't', 'y'];
const NO: readonly string[] = ['false', '0', 'no', 'off', 'f', 'n'];

export function flag(text: string): boolean {
  const word = text.toLowerCase();
  if (!YES.includes(word) && !NO.includes(word)) {
    throw new BadValue('is neither true/1/yes/on nor false/0/no/off');
  }
  return YES.includes(word);
}

/** Letter case does not matter: `LOG_LEVEL=INFO` is what other programs taught people to write. */
export function oneOf<const T extends string>(...words: readonly T[]): Parser<T> {
  return (text) => {
    const word = words.find((candidate) => candidate === text.toLowerCase());
    if (word === undefined) throw new BadValue(`is none of ${words.join(', ')}`);
    return word;
  };
}

/** Items between commas, spaces around them ignored. */
export function listOf<T>(parse: Parser<T>): Parser<readonly T[]> {
  return (text) => {
    const items = text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    // `AUTHORIZATION=,` must not open the proxy to everybody.
    if (items.length === 0) throw new BadValue('is a list without a single item');
    return Object.freeze(items.map((item, index) => parseItem(parse, item, index + 1)));
  };
}

function parseItem<T>(parse: Parser<T>, item: string, position: number): T {
  try {
    return parse(item);
  } catch (error) {
    throw error instanceof BadValue ? new BadValue(error.message, position) : error;
  }
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `32mb`, `32 MiB`, `100kb`, `1.5g`, `4096`: units are powers of 1024, as in nginx. */
export function byteCount(maxBytes: number): Parser<number> {
  return (text) => {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*(?:([kmg])i?)?b?$/i.exec(text) ?? [];
    const bytes = Math.floor(Number(amount) * (BYTES_PER_UNIT[unit?.toLowerCase() ?? ''] ?? Number.NaN));
    if (!(bytes >= 1 && bytes <= maxBytes)) throw new BadValue(`is not a size from 1 to ${maxBytes} bytes`);
    return bytes;
  };
}

export function listenHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0 && !/^[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i.test(host)) {
    throw new BadValue('is neither an IP address nor a host name');
  }
  return host;
}

/** `10.0.0.1`, `::1`, `10.0.0.0/8` or `fd00::/8`. */
export function addressRange(text: string): string {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(bits ?? 0) > (family === 4 ? 32 : 128)) {
    throw new BadValue('is neither an IP address nor a range such as 10.0.0.0/8');
  }
  return text;
}

/** `/api/v0/` and `api/v0` alike become `/api/v0`: what every route starts with. */
export function pathPrefix(text: string): string {
  const path = text.replace(/^\/+|\/+$/g, '');
  if (path === '') return '';
  if (!/^[\w.~-]+(?:\/[\w.~-]+)*$/.test(path) || /(?:^|\/)\.\.?(?:\/|$)/.test(path)) {
    throw new BadValue('is not a path of letters, digits, "-", "_", "." and "~"');
  }
  return `/${path}`;
}

export function hexDigits(text: string): string {
  if (!/^[\da-f]{1,128}$/i.test(text)) throw new BadValue('is not a hexadecimal number of up to 128 digits');
  return text.toLowerCase();
}

/** Text that can stand in an HTTP header as it is. */
export function headerText(text: string): string {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new BadValue('has characters that no HTTP header can carry');
  return text;
}

/** A key that clients send after `Bearer`. */
export function bearerKey(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new BadValue('has characters that no API key can have');
  return text;
}

/**
 * One browser's name, or the first of a list of them: the names themselves contain commas, so a new
 * one starts at `Mozilla/`. Also the list literal of quoted names that the seed program came to use.
 */
export function userAgent(text: string): string {
  const quoted = /^\[\s*(["'])(.*?)\1/.exec(text)?.[2];
  return headerText(quoted ?? text.split(/,\s*(?=Mozilla\/)/)[0] ?? text);
}

/** A file or folder, absolute or relative to where the program was started. */
export function filePath(text: string): string {
  if (text.includes('\0')) throw new BadValue('has a character that no path can have');
  return text;
}

/** Scheme, host, port and path of a gateway; no trailing slash, so that paths can be appended. */
export function baseUrl(text: string): string {
  const url = urlOf(text, ['http', 'https']);
  if (url.username !== '' || url.password !== '')
    throw new BadValue('must not contain a user name or password');
  if (url.search !== '' || url.hash !== '') throw new BadValue('must not contain "?" or "#"');
  return withoutTrailingSlash(url.href);
}

/** Scheme, credentials, host and port of an outbound proxy. */
export function proxyUrl(text: string): string {
  const url = urlOf(text, ['http', 'https', 'socks5', 'socks5h']);
  if (!/^\/?$/.test(url.pathname + url.search + url.hash)) throw new BadValue('must end after host and port');
  return withoutTrailingSlash(url.href);
}

/** An address to post to, kept as it is but for the lone slash of an empty path. */
export function endpointUrl(text: string): string {
  const url = urlOf(text, ['http', 'https']);
  return url.pathname === '/' && url.search === '' ? withoutTrailingSlash(url.href) : url.href;
}

function urlOf(text: string, schemes: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '' || !schemes.includes(url.protocol.slice(0, -1))) {
    throw new BadValue(`is not a URL with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`);
  }
  return url;
}

function withoutTrailingSlash(href: string): string {
  return href.replace(/\/+$/, '');
}
