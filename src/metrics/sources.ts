import type { PressureSample } from '../pressure.ts';

/** What is read at each scrape, as it is then. Names are labels: bounded sets, and no secrets. */
export interface MetricsSources {
  /** Chats by phase: `place`, `account`, ... */
  readonly chats: () => Readonly<Record<string, number>>;
  /** By what they wait for. */
  readonly waiting: () => Readonly<Record<string, number>>;
  readonly underWay: () => UnderWay;
  /** Accounts of the pool, by state. */
  readonly accounts: () => Readonly<Record<string, number>>;
  readonly usableAccounts: () => number;
  /** The same one by one, in a stable order. */
  readonly eachAccount: () => readonly AccountReading[];
  readonly nodes: () => readonly NodeReading[];
  readonly proofs: () => ProofReading;
  readonly retries: () => RetryReading;
  readonly connections: () => ConnectionReading;
  readonly pressure: () => PressureSample;
}

export interface UnderWay {
  /** Requests whose answer is not complete, and open web sockets. */
  readonly requests: number;
  readonly leases: number;
  readonly upstreamCalls: number;
}

export interface AccountReading {
  /** A short hash. */
  readonly id: string;
  readonly state: string;
  readonly inFlight: number;
  /** Limits of upstream's that stand. */
  readonly limits: number;
  readonly succeeded: number;
  readonly failed: number;
}

/** An outbound proxy or a gateway. */
export interface NodeReading {
  readonly kind: 'exit' | 'gateway';
  readonly name: string;
  /** Host and port, without credentials; empty: the way without a proxy. */
  readonly host: string;
  readonly state: string;
  readonly inFlight: number;
  readonly latencyMs: number | null;
  /** Totals since the start. */
  readonly succeeded: number;
  readonly failed: number;
  readonly ejections: number;
}

/** Totals since the start, but for the first three. */
export interface ProofReading {
  readonly queued: number;
  readonly running: number;
  readonly backlogMs: number;
  /** Solved ahead of chats. */
  readonly presolved: number;
  readonly solved: number;
  readonly failed: number;
  readonly tries: number;
  readonly busyMs: number;
  readonly waitedMs: number;
  readonly lostSlices: number;
}

export interface RetryReading {
  /** Total since the start. */
  readonly made: number;
  /** The same; not made, for the budget was spent. */
  readonly denied: number;
  /** Chats that are at it and take a place of the budget. */
  readonly retrying: number;
  /** Places of the budget. */
  readonly allowed: number;
}

export interface ConnectionReading {
  readonly open: number;
  /** Totals since the start. */
  readonly opened: number;
  readonly reused: number;
  readonly requests: number;
}
