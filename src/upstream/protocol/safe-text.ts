const MAX_LENGTH = 200;
/** Work is bounded whatever comes in. */
const MAX_INPUT_LENGTH = 4_000;
/** Control, format and private-use characters, lone surrogates. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]+/gu;
const MARKUP = /<[^>]*>?/g;
/** `Bearer x`, `token=x`, `password: x`, `"authorization":"x"`. */
const NAMED_SECRET =
  /\b(bearer|authorization|(?:access|refresh|id)?[-_ ]?token|api[-_ ]?key|authkey|password|secret|cookie)(["']?\s*[:=]\s*["']?|\s+)(?=\S*[\d.=_-]|\S{20})(?:bearer\s+)?\S+/gi;
/** User and password of a URL. */
const URL_LOGIN = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
/** JWTs, keys and everything else that is long and has no gap, but for plain words and URLs' parts. */
const LONG_SECRET = /\b(?:eyJ|sk-|fk-|sess-|rt_|gAAAAA)[A-Za-z0-9_\-.=+/]{6,}|[A-Za-z0-9_\-.=+/|]{32,}/g;

/** Somebody else's text made fit for an error message: one short line with nothing in it that looks like a secret. */
export function toSafeText(text: string): string {
  const clean = text
    .slice(0, MAX_INPUT_LENGTH)
    .replace(UNPRINTABLE, ' ')
    .replace(MARKUP, ' ')
    .replace(URL_LOGIN, '$1')
    .replace(NAMED_SECRET, '$1 [removed]')
    .replace(LONG_SECRET, '[removed]')
    .replace(/\s+/g, ' ')
    .trim();
  return clean.length <= MAX_LENGTH ? clean : `${clean.slice(0, MAX_LENGTH - 3).trimEnd()}...`;
}
