import { browser } from './browser.ts';
import { sha3of } from './sha3.ts';

export interface Challenge {
  readonly required: boolean;
  readonly seed?: string;
  readonly difficulty?: string;
}

const encoder = new TextEncoder();

/** The header that solves a challenge; null: none is asked for. */
export function solve({ required, seed = '', difficulty = '' }: Challenge): string | null {
  if (!required) return null;
  for (let nonce = 0; ; nonce += 1) {
    const facts = encodeFacts(nonce);
    const digest = sha3of(encoder.encode(seed + facts));
    if (digest.slice(0, difficulty.length) <= difficulty) return `gAAAAAB${facts}`;
  }
}

/** What the page tells of its browser, with the number of tries where the site wants it. */
function encodeFacts(nonce: number): string {
  const { userAgent } = browser.navigator;
  const facts = [
    1920,
    'Thu Jan 01 1970',
    4294705152,
    nonce,
    userAgent,
    '',
    '',
    'en-US',
    'en-US',
    nonce,
    '',
    '',
    '',
  ];
  return btoa(JSON.stringify(facts));
}
