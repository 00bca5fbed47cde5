import { labelText } from './exposition.ts';
import type { Family } from './exposition.ts';
import type { AccountReading } from './sources.ts';

/** So many have series of their own; the others are one, called `other`. */
export const MAX_NAMED_ACCOUNTS = 1_000;
const OTHER = 'other';

type Figure = Exclude<keyof AccountReading, 'id' | 'state'>;

const FIGURES: readonly [name: string, type: Family['type'], help: string, figure: Figure][] = [
  ['in_flight', 'gauge', 'Conversations of an account that are under way', 'inFlight'],
  ['limits', 'gauge', "Upstream's limits on an account that stand", 'limits'],
  ['succeeded_total', 'counter', 'Conversations of an account that went well', 'succeeded'],
  ['failed_total', 'counter', 'Failures that an account saw', 'failed'],
];

/** @param accounts those that shall keep their names first */
export function accountFamilies(
  accounts: readonly AccountReading[],
  maxNamed = MAX_NAMED_ACCOUNTS,
): Family[] {
  const named = accounts
    .slice(0, maxNamed)
    .map((account) => ({ account, label: labelText({ account: account.id }) }));
  const others = accounts.slice(maxNamed);
  const figures = FIGURES.map(([name, type, help, figure]): Family => {
    const samples = named.map(({ account, label }) => ({ labels: label, value: account[figure] }));
    if (others.length > 0) {
      const value = others.reduce((sum, account) => sum + account[figure], 0);
      samples.push({ labels: labelText({ account: OTHER }), value });
    }
    return { name: `chat2api_account_${name}`, type, help, samples };
  });
  const states = named.map(({ account, label }) => ({
    labels: `${label},${labelText({ state: account.state })}`,
    value: 1,
  }));
  return [
    {
      name: 'chat2api_account_state',
      type: 'gauge',
      help: '1 for the state that an account is in; of the others: how many are',
      samples: [...states, ...stateCounts(others)],
    },
    ...figures,
  ];
}

function stateCounts(accounts: readonly AccountReading[]): Family['samples'] {
  const counts = new Map<string, number>();
  for (const { state } of accounts) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, value]) => ({ labels: labelText({ account: OTHER, state }), value }));
}
