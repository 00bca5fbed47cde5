/** Digits that a double holds exactly; more of them change nothing that anybody plans by. */
const SIGNIFICANT_DIGITS = 12;

/** How many counters have to be tried on average. `difficulty`: 1 to 128 hex digits. */
export function expectedTries(difficulty: string): number {
  const zeros = /^0*/.exec(difficulty)?.[0].length ?? 0;
  const significant = difficulty.slice(zeros, zeros + SIGNIFICANT_DIGITS);
  const target = significant === '' ? 0 : Number.parseInt(significant, 16);
  return 16 ** (zeros + significant.length) / (target + 1);
}
