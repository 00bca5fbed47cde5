import type { ProofText } from '../../src/threads/tasks.ts';

/** A config without its counters (entries 3 and 9), as the three texts between them. Any length from 9 on. */
export function cutConfig(entries: readonly (string | number | null)[]): ProofText {
  const toText = (part: readonly (string | number | null)[]): string => JSON.stringify(part).slice(1, -1);
  const head = toText(entries.slice(0, 3));
  const middle = toText(entries.slice(3, 8));
  const tail = toText(entries.slice(8));
  return { search: 'nonce', parts: [`[${head},`, `,${middle},`, `,${tail}]`] };
}
