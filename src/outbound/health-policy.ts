/** When a node is put aside, and how it comes back. */
export interface HealthPolicy {
  /** Hard failures in a row that eject. */
  readonly failuresInRow: number;
  /** The share of failures that ejects, once `minVolume` requests ended within `windowMs`. */
  readonly failureRate: number;
  readonly minVolume: number;
  readonly windowMs: number;
  /** The first ejection takes so long, the n-th n times as long, none longer than `maxEjectMs`. */
  readonly ejectMs: number;
  readonly maxEjectMs: number;
  /** Each time that a node was back for so long, one of its ejections is forgotten. */
  readonly forgiveMs: number;
  /** Requests at once that try a node whose ejection is over. */
  readonly maxProbes: number;
  /** After its return a node's weight rises over this time from `minWeight` to 1. */
  readonly slowStartMs: number;
  readonly minWeight: number;
  /** A sample of the latency loses its weight over this time. */
  readonly latencyDecayMs: number;
}

export const HEALTH_POLICY: HealthPolicy = {
  failuresInRow: 5,
  failureRate: 0.6,
  minVolume: 10,
  windowMs: 30_000,
  ejectMs: 30_000,
  maxEjectMs: 300_000,
  forgiveMs: 60_000,
  maxProbes: 1,
  slowStartMs: 30_000,
  minWeight: 0.1,
  latencyDecayMs: 10_000,
};
