import type { ProofText } from '../threads/tasks.ts';
import { AGE_AT, cutTail, MOMENT_AT, readMoment } from './browser-config.ts';
import type { Entry } from './browser-config.ts';
import { BLOCK_BYTES, fillIn } from './counter-text.ts';

/** Digits that are to change within the last block: the one before is hashed once in 16 ** 3 tries then. */
const LAST_DIGITS = 3;
/** One in four fits where fits are rarest. */
const MAX_DRAWS = 100;

/**
 * A text whose digits stand in the last hash block, so that a try costs one block. How long the message
 * is in front of them depends on the seed; what the page's script would read anew for each proof anyway
 * (three random names and the page's age) is drawn again until the length is right:
 *
 *     block 9                           block 10
 *     ...,12345.678,"00000000-0000-40 | 00-8000-0000digits","",16,1719846000000.5] padding
 *
 * Behind the digits stand 20 to 24 bytes, as base64 up to 32 letters, with the digits 36 to 40: of the 72
 * bytes in a block that leaves nearly half of all lengths. The others cost two blocks a try, and a search
 * that varies the counter of entry 3 eight or nine of the ten.
 */
export function fitToSeed(text: ProofText, seed: string, random: () => number): ProofText {
  const seedBytes = Buffer.byteLength(seed);
  let fitting = text;
  for (let draw = 0; draw < MAX_DRAWS && !isFitting(fitting, seedBytes); draw += 1) {
    fitting = drawAgain(fitting, random);
  }
  return fitting;
}

function isFitting(text: ProofText, seedBytes: number): boolean {
  if (text.search === 'nonce') return true;
  const { json, numbers } = fillIn(text, 0);
  const [{ at, length }] = numbers;
  const messageBytes = seedBytes + Math.ceil(json.length / 3) * 4;
  const firstInLast = at + Math.max(0, length - LAST_DIGITS);
  const placeBytes = seedBytes + Math.floor(firstInLast / 3) * 4;
  return placeBytes >= messageBytes - (messageBytes % BLOCK_BYTES);
}

function drawAgain(text: ProofText, random: () => number): ProofText {
  const entries = JSON.parse(fillIn(text, 0).json.toString()) as Entry[];
  const moment = readMoment(Number(entries[AGE_AT]), random);
  entries.splice(MOMENT_AT, moment.length, ...moment);
  return cutTail(entries);
}
