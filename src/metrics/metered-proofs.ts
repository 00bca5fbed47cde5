import type { ProofPool } from '../threads/pool.ts';
import type { TurnMeter } from './turn-meter.ts';

/** The same pool; `meter` is told of each proof how long it took and how many tries. */
export function meterProofs({ solve }: Pick<ProofPool, 'solve'>, meter: TurnMeter): Pick<ProofPool, 'solve'> {
  return {
    async solve(puzzle, signal, urgency) {
      const sinceMs = meter.nowMs();
      const answer = await solve(puzzle, signal, urgency);
      meter.proved(meter.nowMs() - sinceMs, answer.tries);
      return answer;
    },
  };
}
