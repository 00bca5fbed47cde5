const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const HEX = /^[0-9a-fA-F]{4}$/;

/** Decodes the inside of a JSON string while it arrives. No character of two units is cut. */
export class JsonTextDecoder {
  /** What follows the closing quote; null: not closed yet. */
  rest: string | null = null;
  /** An escape or a character of which the rest is missing. */
  #held = '';

  push(json: string): string {
    const raw = this.#held + json;
    this.#held = '';
    let text = '';
    let at = 0;
    while (at < raw.length) {
      const next = nextSpecial(raw, at);
      text += raw.slice(at, next);
      if (next === raw.length) break;
      if (raw.charAt(next) === '"') {
        this.rest = raw.slice(next + 1);
        return text;
      }
      const length = raw.charAt(next + 1) === 'u' ? 6 : 2;
      if (next + length > raw.length) {
        this.#held = raw.slice(next);
        break;
      }
      text += unescape(raw.slice(next + 1, next + length));
      at = next + length;
    }
    return this.#wholeCharacters(text);
  }

  #wholeCharacters(text: string): string {
    const last = text.charCodeAt(text.length - 1);
    if (!(last >= 0xd800 && last <= 0xdbff)) return text;
    this.#held = `\\u${last.toString(16)}${this.#held}`;
    return text.slice(0, -1);
  }
}

function nextSpecial(raw: string, from: number): number {
  for (let at = from; at < raw.length; at += 1) {
    const unit = raw.charCodeAt(at);
    if (unit === 0x22 || unit === 0x5c) return at;
  }
  return raw.length;
}

/** `escape` without its backslash; what is none stands for itself. */
function unescape(escape: string): string {
  if (escape.startsWith('u') && HEX.test(escape.slice(1))) {
    return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  }
  return ESCAPES[escape] ?? escape;
}
