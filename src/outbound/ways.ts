import type { ChatError } from '../errors.ts';
import { blameOf } from './blame.ts';
import type { NodeEvent, NodeHealth, Outcome } from './health.ts';
import { NodeSet, SET_POLICY } from './node-set.ts';
import type { SetPolicy } from './node-set.ts';
import type { Way, WayAsk, WayLease } from './way.ts';

export interface WaysOptions {
  /** Labels of the exits. At least one. */
  readonly exits: readonly string[];
  /** CHATGPT_BASE_URL. At least one. */
  readonly gateways: readonly string[];
  /** Never goes back. Of the wall clock where the times of views and events shall be. */
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Free of secrets, and rare enough for a log line each. */
  readonly onEvent: (event: NodeEvent) => void;
  readonly policy?: Partial<SetPolicy>;
}

/** As the desk shows a node. Times in ms of `nowMs`. */
export interface NodeSight {
  readonly name: string;
  readonly state: 'well' | 'ejected' | 'probing' | 'slow_start';
  readonly untilMs: number | null;
  readonly reason: string | null;
  readonly inFlight: number;
  readonly latencyMs: number | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly ejections: number;
}

/** The ways to the backend, judged by what became of those who went them. */
export interface Ways {
  /** Always finds one: a poor way is better than none. The lease must be released however its use ends. */
  pick(ask: WayAsk): WayLease;
  /** The way that `pick` would lend, which loses no turn by it. */
  look(ask: WayAsk): Way;
  /** The head of a successful answer (status 2xx) came so long after its request began. Others than gateways are ignored. */
  observe(way: Way, latencyMs: number): void;
  views(): { readonly exits: readonly NodeSight[]; readonly gateways: readonly NodeSight[] };
  /** Why no chat can be served for the moment, in words; null: one can. */
  unusable(): string | null;
}

const NONE: readonly string[] = [];
const NOTHING: Outcome = { type: 'nothing' };
const SUCCESS: Outcome = { type: 'success' };
const UNUSED: Judgement = { exit: NOTHING, gateway: NOTHING };

export function createWays(options: WaysOptions): Ways {
  const policy = { ...SET_POLICY, ...options.policy };
  const gatewayNames = options.gateways.map((origin) => origin.replace(/\/+$/, ''));
  // What may be the fault of the other end counts when different ones were there, if there are any.
  const witnesses = (others: readonly string[]): number => Math.min(2, new Set(others).size);
  const exits = new NodeSet({
    ...options,
    policy,
    nodes: new Map(options.exits.map((name) => [name, name])),
    witnesses: witnesses(gatewayNames),
  });
  const gateways = new NodeSet({
    ...options,
    policy,
    nodes: new Map(gatewayNames.map((origin) => [origin, toLabel(origin)])),
    witnesses: witnesses(options.exits),
  });

  function choose({ prefer, avoid }: WayAsk, nowMs: number): Way {
    // A request that failed before is no guinea pig, and none tries two nodes at once: whose fault would it be?
    const isFirst = avoid.length === 0;
    const origin = gateways.choose({
      prefer: prefer?.origin ?? null,
      avoid: isFirst ? NONE : avoid.map((way) => way.origin),
      mayProbe: isFirst,
    });
    const isProbing = gateways.find(origin)?.wantsProbe(nowMs) ?? false;
    const exit = exits.choose({
      prefer: prefer?.exit ?? null,
      avoid: isFirst ? NONE : avoid.map((way) => way.exit),
      mayProbe: isFirst && !isProbing,
    });
    return { origin, exit };
  }

  /** Is it well, and did none of the attempts go through it? */
  function isFresh(origin: string, { avoid }: WayAsk, nowMs: number): boolean {
    if (avoid.some((way) => way.origin === origin)) return false;
    return gateways.find(origin)?.isGood(nowMs) ?? false;
  }

  function hasOther(than: string, ask: WayAsk, nowMs: number): boolean {
    if (gatewayNames.length === 1) return false;
    return gatewayNames.some((origin) => origin !== than && isFresh(origin, ask, nowMs));
  }

  return {
    pick(ask) {
      const beganMs = options.nowMs();
      const way = choose(ask, beganMs);
      const exit = exits.find(way.exit) as NodeHealth;
      const gateway = gateways.find(way.origin) as NodeHealth;
      const exitVisit = exit.begin(beganMs);
      const gatewayVisit = gateway.begin(beganMs);
      let isReleased = false;
      return {
        way,
        hasOtherGateway: hasOther(way.origin, ask, beganMs),
        release(failure) {
          if (isReleased) return;
          isReleased = true;
          const now = options.nowMs();
          const wereGood = { exit: exit.isGood(now), gateway: gateway.isGood(now) };
          const outcome = failure === 'unused' ? UNUSED : judge(failure, exit, gateway, wereGood);
          exit.end(exitVisit, outcome.exit, now);
          gateway.end(gatewayVisit, outcome.gateway, now);
          if (wereGood.exit && !exit.isGood(now)) absolve(gateways, exit.label);
          if (wereGood.gateway && !gateway.isGood(now)) absolve(exits, gateway.label);
        },
      };
    },
    look: (ask) => choose(ask, options.nowMs()),
    observe({ exit, origin }, latencyMs) {
      const gateway = gateways.find(origin) ?? gateways.find(origin.replace(/\/+$/, ''));
      if (gateway === null) return;
      const now = options.nowMs();
      gateway.observe(latencyMs, now);
      exits.find(exit)?.observe(latencyMs, now);
    },
    views: () => {
      const now = options.nowMs();
      return {
        exits: exits.all.map((node) => toSight(node, now)),
        gateways: gateways.all.map((node) => toSight(node, now)),
      };
    },
    unusable() {
      const gatewayFailure = gateways.outage();
      if (gatewayFailure !== null) return `no gateway is usable (${gatewayFailure})`;
      const exitFailure = exits.outage();
      return exitFailure === null ? null : `no way out is usable (${exitFailure})`;
    },
  };
}

interface Judgement {
  readonly exit: Outcome;
  readonly gateway: Outcome;
}

/**
 * What a failure means for both ends. What may be the fault of either counts against both, until one of
 * them is known to be out of order: then it explains the failure alone.
 */
function judge(
  failure: ChatError | null,
  exit: NodeHealth,
  gateway: NodeHealth,
  isGood: { readonly exit: boolean; readonly gateway: boolean },
): Judgement {
  if (failure === null) return { exit: SUCCESS, gateway: SUCCESS };
  const blame = blameOf(failure);
  if (blame.on === 'nobody') return { exit: NOTHING, gateway: NOTHING };
  const { on, grade } = blame;
  const fails = (witness: string | null): Outcome => ({
    type: 'failure',
    grade,
    code: failure.code,
    witness,
  });
  switch (on) {
    case 'exit':
      return { exit: fails(null), gateway: NOTHING };
    case 'gateway':
      return { exit: NOTHING, gateway: fails(null) };
    case 'either':
      return {
        exit: isGood.gateway ? fails(gateway.label) : NOTHING,
        gateway: isGood.exit ? fails(exit.label) : NOTHING,
      };
    default:
      return on satisfies never;
  }
}

/** One that turned out to be out of order explains what was held against those at the other end. */
function absolve(others: NodeSet, culprit: string): void {
  for (const node of others.all) node.absolve(culprit);
}

/** Host and path of a gateway: its user and password are nobody's business. */
function toLabel(origin: string): string {
  const { host, pathname } = new URL(origin);
  return host + pathname.replace(/\/+$/, '');
}

const STATES = {
  well: 'well',
  slow_start: 'slow_start',
  failing: 'ejected',
  ejected: 'ejected',
  returning: 'probing',
} as const;

function toSight(node: NodeHealth, nowMs: number): NodeSight {
  const { label, latencyMs, inFlight, succeeded, failed, ejections } = node;
  const state = STATES[node.standing(nowMs)];
  const { untilMs, reason } = node;
  return { name: label, state, untilMs, reason, inFlight, latencyMs, succeeded, failed, ejections };
}
