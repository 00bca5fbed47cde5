/** How a proof is searched; the shapes are in `threads/tasks.ts`. */
export type Search = 'tail' | 'nonce';

/** What a conversation call made of a proof that we had verified ourselves. */
export type ProofOutcome = 'accepted' | 'refused';

export interface SearchOrderOptions {
  /** POW_SEARCH. */
  readonly preferred: Search;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** A gateway is taken for one that wants `nonce`: told once for each. */
  readonly onFallback: (origin: string) => void;
}

/** Which way to search for which gateway. Pure policy. */
export interface SearchOrder {
  choose(origin: string): Search;
  /** `search`: how the proof in question was searched, which may no longer be how it is done. */
  observe(origin: string, search: Search, outcome: ProofOutcome): void;
}

/** One refusal may be about anything; two in a row, with nothing accepted between them, are a pattern. */
const REFUSALS_TO_FALL_BACK = 2;
const FIRST_RETURN_MS = 10 * 60_000;
const LAST_RETURN_MS = 24 * 3_600_000;

interface Gateway {
  readonly search: Search;
  /** In a row, under this search. */
  readonly refusals: number;
  /** Under `nonce`: when `tail` gets another chance, and how long that was from its beginning. */
  readonly returnsMs: number;
  readonly waitMs: number;
  readonly wasTold: boolean;
}

const UNKNOWN: Gateway = {
  search: 'tail',
  refusals: 0,
  returnsMs: Infinity,
  waitMs: FIRST_RETURN_MS,
  wasTold: false,
};

/**
 * `tail` is many times faster, and nothing known of the backend speaks against it; but the words of a
 * refusal for its sake are unknown, and look like those for an address that is disliked. So the pattern
 * decides. Refusals in a row under `tail` make a gateway one for `nonce`, and something accepted under
 * `tail` unmakes it. As it may have been the address after all, `tail` gets another chance after a
 * while: when `nonce` was refused as well, like the first time; when `nonce` was accepted, it must not
 * fail even once, and the while is twice as long each time.
 */
export function createSearchOrder({ preferred, nowMs, onFallback }: SearchOrderOptions): SearchOrder {
  const gateways = new Map<string, Gateway>();

  const gatewayOf = (origin: string): Gateway => gateways.get(origin) ?? UNKNOWN;

  function choose(origin: string): Search {
    if (preferred === 'nonce') return 'nonce';
    const gateway = gatewayOf(origin);
    if (gateway.search === 'tail' || nowMs() < gateway.returnsMs) return gateway.search;
    gateways.set(origin, toTail(gateway));
    return 'tail';
  }

  function observe(origin: string, search: Search, outcome: ProofOutcome): void {
    if (preferred === 'nonce') return;
    const gateway = gatewayOf(origin);
    if (outcome === 'accepted') gateways.set(origin, accepted(gateway, search));
    else if (search === gateway.search) refused(origin, gateway);
  }

  function refused(origin: string, gateway: Gateway): void {
    const refusals = gateway.refusals + 1;
    if (gateway.search === 'nonce' || refusals < REFUSALS_TO_FALL_BACK) {
      gateways.set(origin, { ...gateway, refusals });
      return;
    }
    const returnsMs = nowMs() + gateway.waitMs;
    gateways.set(origin, { ...gateway, search: 'nonce', refusals: 0, returnsMs, wasTold: true });
    if (!gateway.wasTold) onFallback(origin);
  }

  return { choose, observe };
}

function accepted(gateway: Gateway, search: Search): Gateway {
  if (search === 'tail') return { ...UNKNOWN, wasTold: gateway.wasTold };
  return gateway.search === 'nonce' ? { ...gateway, refusals: 0 } : gateway;
}

function toTail({ refusals, waitMs, wasTold }: Gateway): Gateway {
  const wasNotTheSearch = refusals >= REFUSALS_TO_FALL_BACK;
  if (wasNotTheSearch) return { ...UNKNOWN, wasTold };
  return {
    ...UNKNOWN,
    wasTold,
    refusals: REFUSALS_TO_FALL_BACK - 1,
    waitMs: Math.min(LAST_RETURN_MS, waitMs * 2),
  };
}
