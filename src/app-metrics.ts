import type { Accounts } from './accounts/accounts.ts';
import type { Inflight } from './app.ts';
import type { RetryBudget } from './chat/retry.ts';
import type { WaitingRoom } from './http/waiting-room.ts';
import type { MetricsSources, NodeReading } from './metrics/metrics.ts';
import type { Exits } from './outbound/exits.ts';
import type { NodeSight, Ways } from './outbound/ways.ts';
import type { Pressure } from './pressure.ts';
import type { ProofPool } from './threads/pool.ts';

export interface MeasuredParts {
  readonly inflight: () => Inflight;
  readonly room: WaitingRoom;
  readonly accounts: Accounts;
  readonly ways: Ways;
  readonly proofs: ProofPool;
  readonly budget: RetryBudget;
  readonly exits: Exits;
  readonly pressure: Pressure;
}

/** Where the figures of `/metrics` come from. */
export function createMetricsSources(parts: MeasuredParts): MetricsSources {
  const { inflight, room, accounts, ways, proofs, budget, exits, pressure } = parts;
  const { pool } = accounts;
  return {
    inFlight: () => ({ ...inflight() }),
    waiting: () => ({ place: room.waiting, account: pool.waiting, proof: proofs.queued }),
    accounts: () => pool.counts(),
    usableAccounts: () => pool.usable,
    nodes: () => {
      const views = ways.views();
      return [...views.exits.map(toReading('exit')), ...views.gateways.map(toReading('gateway'))];
    },
    proofs: () => proofs.stats,
    retries: () => budget.totals,
    connections: () => {
      const stats = exits.stats();
      const sum = (read: (one: (typeof stats)[number]) => number): number =>
        stats.reduce((total, one) => total + read(one), 0);
      return {
        open: sum(({ open }) => open),
        opened: sum(({ handshakes }) => handshakes),
        requests: sum(({ requests }) => requests),
      };
    },
    pressure: () => pressure.sample,
  };
}

function toReading(kind: NodeReading['kind']): (sight: NodeSight) => NodeReading {
  return (sight) => ({ kind, ...sight });
}
