const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'.split('');
const PAIRS = LETTERS.flatMap((first) => LETTERS.map((second) => first + second));
/** And one letter more. */
const ID_PAIRS = 14;

/**
 * The id of one answer, in the real API's form. `random` gives numbers from 0 up to, not including, 1: two letters
 * from each take a third of the time.
 */
export function createCompletionId(random: () => number): string {
  let id = `chatcmpl-${pick(LETTERS, random)}`;
  for (let i = 0; i < ID_PAIRS; i++) id += pick(PAIRS, random);
  return id;
}

function pick(choices: readonly string[], random: () => number): string {
  return choices[Math.floor(random() * choices.length)] as string;
}
