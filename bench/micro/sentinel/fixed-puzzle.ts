import { browserConfig } from '../../../src/sentinel/browser-config.ts';
import { fitToSeed } from '../../../src/sentinel/fit-to-seed.ts';
import type { ProofPuzzle, ProofTask, ProofText } from '../../../src/threads/tasks.ts';

/** As long as the seeds of the backend. */
const SEED = '0.42424242424242424';
const BUILD_ID = 'prod-0123456789abcdef0123456789abcdef01234567';

/** The same puzzle each time, of the length that a real page's has: 18 entries, some 700 letters. */
export function fixedPuzzle(search: ProofText['search'], difficulty: string, seed = SEED): ProofPuzzle {
  const random = repeatable();
  const text = browserConfig(
    {
      userAgent:
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
      scripts: [
        `https://cdn.oaistatic.com/_next/static/abcdefghijklmnopqrstu/_ssgManifest.js?dpl=${BUILD_ID}`,
      ],
      buildId: BUILD_ID,
    },
    { nowMs: () => 1_750_000_000_123, random, newId: () => '3f2a9c51-7d04-4be8-a6f1-90c2d8e7b35a' },
    search,
  );
  return { seed, difficulty, text: fitToSeed(text, seed, random) };
}

export function toTask(puzzle: ProofPuzzle, tries: number): ProofTask {
  return { type: 'proof', ...puzzle, from: 0, tries, cancel: new SharedArrayBuffer(4) };
}

/** Numbers from 0 to 1, the same ones in each run. */
function repeatable(): () => number {
  let state = 7;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
