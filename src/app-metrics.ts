import type { Accounts } from './accounts/accounts.ts';
import type { Inflight } from './app.ts';
import type { RetryBudget } from './chat/retry.ts';
import type { WaitingRoom } from './http/waiting-room.ts';
import type { MetricsSources, NodeReading } from './metrics/sources.ts';
import type { TurnMeter } from './metrics/turn-meter.ts';
import type { ExitStats } from './outbound/lane.ts';
import type { Exits } from './outbound/exits.ts';
import type { NodeSight, Ways } from './outbound/ways.ts';
import type { Pressure } from './pressure.ts';
import type { Sentinel } from './sentinel/sentinel.ts';
import type { ProofPool } from './threads/pool.ts';

export interface MeasuredParts {
  /** PROXY_URL, in the order of the ways' exits. */
  readonly proxyUrls: readonly string[];
  readonly inflight: () => Inflight;
  readonly turns: TurnMeter;
  readonly room: WaitingRoom;
  readonly accounts: Accounts;
  readonly ways: Ways;
  readonly proofs: ProofPool;
  readonly sentinel: Sentinel;
  readonly budget: RetryBudget;
  readonly exits: Exits;
  readonly pressure: Pressure;
}

/** Where the figures of `/metrics` come from. */
export function createMetricsSources(parts: MeasuredParts): MetricsSources {
  const { inflight, turns, room, accounts, ways, proofs, sentinel, budget, exits, pressure } = parts;
  const { pool } = accounts;
  const exitHosts = parts.proxyUrls.map(hostOf);
  return {
    chats: () => ({ place: room.waiting, ...turns.inPhase }),
    waiting: () => ({ place: room.waiting, account: pool.waiting, proof: proofs.queued }),
    underWay: inflight,
    accounts: () => pool.counts(),
    usableAccounts: () => pool.usable,
    eachAccount: () => pool.views().map((view) => ({ ...view, limits: view.limits.length })),
    nodes: () => {
      const views = ways.views();
      return [
        ...views.exits.map((sight, at) => toReading('exit', sight, exitHosts[at])),
        ...views.gateways.map((sight) => toReading('gateway', sight, sight.name.replace(/\/.*$/, ''))),
      ];
    },
    proofs: () => {
      const { queued, running, backlogMs, stats } = proofs;
      return { ...stats, queued, running, backlogMs, presolved: sentinel.presolved.ready };
    },
    retries: () => ({ ...budget.totals, retrying: budget.retrying, allowed: budget.allowed }),
    connections: () => {
      const stats = exits.stats();
      const sum = (read: (one: ExitStats) => number): number =>
        stats.reduce((total, one) => total + read(one), 0);
      return {
        open: sum(({ open }) => open),
        opened: sum(({ handshakes }) => handshakes),
        reused: sum(({ reused }) => reused),
        requests: sum(({ requests }) => requests),
      };
    },
    pressure: () => pressure.sample,
  };
}

function toReading(kind: NodeReading['kind'], sight: NodeSight, host = ''): NodeReading {
  return { kind, ...sight, host };
}

/** Where it is, without user and password. */
function hostOf(url: string): string {
  return new URL(url).host;
}
