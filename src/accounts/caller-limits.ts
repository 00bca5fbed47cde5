import type { ChatError } from '../errors.ts';
import { ModelLimits } from './model-limits.ts';
import { ownLimited } from './pool-refusals.ts';

export interface CallerLimitsOptions {
  /** ENABLE_LIMIT; false: nothing is remembered. */
  readonly honoursLimits: boolean;
  /** Of the wall clock. */
  readonly nowMs: () => number;
  /** Who was limited longest ago is forgotten beyond this. */
  readonly maxCallers?: number;
}

/** Upstream's own limits on accounts that callers bring themselves: as remembered as those of the pool's. */
export interface CallerLimits {
  /** Throws `rate_limit_exceeded`, with the time, as long as upstream would refuse the model. */
  check(owner: string, model: string): void;
  /** Upstream refused with a limit of its own. */
  learn(owner: string, model: string, failure: ChatError): void;
  /** Something went well. */
  relax(owner: string): void;
}

const MAX_CALLERS = 10_000;

export function createCallerLimits(options: CallerLimitsOptions): CallerLimits {
  const { honoursLimits, nowMs, maxCallers = MAX_CALLERS } = options;
  /** Only callers that were limited; the one whose limit is oldest comes first. */
  const byOwner = new Map<string, ModelLimits>();

  return {
    check(owner, model) {
      const limits = byOwner.get(owner);
      if (limits === undefined) return;
      const now = nowMs();
      limits.settle(now);
      const limit = limits.find(model);
      if (limit !== null) throw ownLimited(limit, now);
    },
    learn(owner, model, { limit, retryAfterS }) {
      if (!honoursLimits || limit === null || limit === 'concurrency') return;
      const limits = byOwner.get(owner) ?? new ModelLimits([]);
      limits.settle(nowMs());
      limits.add(limit === 'model' ? model : null, retryAfterS, nowMs());
      byOwner.delete(owner);
      byOwner.set(owner, limits);
      const [oldest] = byOwner.keys();
      if (byOwner.size > maxCallers && oldest !== undefined) byOwner.delete(oldest);
    },
    relax(owner) {
      const limits = byOwner.get(owner);
      limits?.relax();
      if (limits?.settle(nowMs()) === true && limits.list.length === 0) byOwner.delete(owner);
    },
  };
}
