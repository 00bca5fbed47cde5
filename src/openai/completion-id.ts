const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_CHARS = 29;

/** The id of one answer, in the real API's form. `random` gives numbers from 0 up to, not including, 1. */
export function createCompletionId(random: () => number): string {
  let id = 'chatcmpl-';
  for (let i = 0; i < ID_CHARS; i++) id += ALPHABET[Math.floor(random() * ALPHABET.length)];
  return id;
}
