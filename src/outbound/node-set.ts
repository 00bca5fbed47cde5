import { HEALTH_POLICY } from './health-policy.ts';
import type { HealthPolicy } from './health-policy.ts';
import { NodeHealth } from './health.ts';
import type { NodeEvent } from './health.ts';

export interface SetPolicy extends HealthPolicy {
  /** No more than this share of the nodes, rounded down, is ejected at a time: 1 of 2, 2 of 3, 3 of 5, 7 of 10. */
  readonly maxShare: number;
  /** When fewer than this share are good, it may be the judgement that is wrong: all are used. */
  readonly panicShare: number;
  /** Then this share of the requests goes to those that are not good. */
  readonly panicLeak: number;
  /** So many nodes are drawn, and the best of them is taken. */
  readonly choices: number;
}

export const SET_POLICY: SetPolicy = {
  ...HEALTH_POLICY,
  maxShare: 0.7,
  panicShare: 0.3,
  panicLeak: 0.1,
  choices: 2,
};

/** What one choice shall heed. */
export interface Wish {
  readonly prefer: string | null;
  readonly avoid: readonly string[];
  /** May the request be the one that tries a node after its ejection? */
  readonly mayProbe: boolean;
}

export interface NodeSetOptions {
  /** Names, by which nodes are chosen, and the labels that may be shown. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly policy: SetPolicy;
  readonly witnesses: number;
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly onEvent: (event: NodeEvent) => void;
}

/** Among so few there is no herd: each is looked at, and their turns are even. */
const FEW = 3;

/** All exits, or all gateways: who is ejected, and who serves next. */
export class NodeSet {
  readonly #policy: SetPolicy;
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #byName = new Map<string, NodeHealth>();
  /** Where there is no choice nothing is weighed: a way is picked in 1.1 us instead of 2.8, with a third of the garbage. */
  readonly #only: string | null;

  constructor({ nodes, policy, witnesses, nowMs, random, onEvent }: NodeSetOptions) {
    if (nodes.size === 0) throw new TypeError('a set of nodes needs at least one');
    this.#policy = policy;
    this.#nowMs = nowMs;
    this.#random = random;
    const mayEject = (): boolean => this.#ejected(nowMs()) < Math.floor(nodes.size * policy.maxShare);
    for (const [name, label] of nodes) {
      this.#byName.set(name, new NodeHealth({ label, policy, witnesses, mayEject, onEvent }));
    }
    const [first = null] = nodes.keys();
    this.#only = nodes.size === 1 ? first : null;
  }

  get all(): readonly NodeHealth[] {
    return [...this.#byName.values()];
  }

  find(name: string): NodeHealth | null {
    return this.#byName.get(name) ?? null;
  }

  /**
   * In this order: the preferred node; one that waits for its probe; the best of those that are good
   * and not to be avoided; and then whatever promises most.
   */
  choose(wish: Wish): string {
    if (this.#only !== null) return this.#only;
    const now = this.#nowMs();
    const names = [...this.#byName.keys()];
    const isGood = (name: string): boolean => this.#node(name).isGood(now);
    const wantsProbe = (name: string): boolean => this.#node(name).wantsProbe(now);
    const open = names.filter((name) => !wish.avoid.includes(name));
    const preferred = open.find((name) => name === wish.prefer);
    if (preferred !== undefined && isGood(preferred)) return preferred;
    const waiting = open.find(wantsProbe);
    if (waiting !== undefined && wish.mayProbe) return waiting;
    const good = names.filter(isGood);
    if (good.length > 0 && this.#leaks(good.length)) {
      const others = open.filter((name) => !isGood(name) && this.#node(name).standing(now) !== 'returning');
      if (others.length > 0) return this.#best(others, now);
    }
    const fresh = open.filter(isGood);
    if (fresh.length > 0) return this.#best(fresh, now);
    if (waiting !== undefined) return waiting;
    if (good.length > 0) return this.#best(good, now);
    return this.#best(this.#lastResort(open, names, now), now);
  }

  /** Out of service every one of them, for the moment; the failure that led to it. Null: there is one to use. */
  outage(): string | null {
    const now = this.#nowMs();
    const all = this.all;
    const isOut = all.every((node) => ['ejected', 'failing'].includes(node.standing(now)));
    return isOut ? (all[0]?.reason ?? 'unknown') : null;
  }

  #leaks(good: number): boolean {
    const { panicShare, panicLeak } = this.#policy;
    return good < this.#byName.size * panicShare && this.#random() < panicLeak;
  }

  /** None is good. One that a probe is under way to is left to its probe as long as there is any other. */
  #lastResort(open: readonly string[], names: readonly string[], now: number): readonly string[] {
    const isFree = (name: string): boolean => this.#node(name).standing(now) !== 'returning';
    for (const some of [open.filter(isFree), names.filter(isFree), open]) if (some.length > 0) return some;
    return names;
  }

  /** The power of two choices: nearly as good as looking at all, and no herd runs to the one best node. */
  #best(names: readonly string[], now: number): string {
    const unknownMs = this.#usualLatency(now);
    const drawn = this.#draw(names, now);
    const costs = drawn.map((name) => this.#node(name).cost(now, unknownMs));
    const least = Math.min(...costs);
    const equals = drawn.filter((_, at) => costs[at] === least);
    // Among equals, as when nobody is busy, they take turns.
    return equals.reduce((a, b) => (this.#node(b).usedMs < this.#node(a).usedMs ? b : a));
  }

  /** Different ones, each as likely as its weight. */
  #draw(names: readonly string[], now: number): readonly string[] {
    const left = names.map((name) => ({ name, weight: this.#node(name).weight(now) }));
    const drawn: string[] = [];
    const choices = left.length <= FEW ? left.length : this.#policy.choices;
    while (left.length > 0 && drawn.length < choices) {
      let at = this.#random() * left.reduce((sum, { weight }) => sum + weight, 0);
      const index = left.findIndex(({ weight }) => (at -= weight) < 0);
      drawn.push(...left.splice(Math.max(index, 0), 1).map(({ name }) => name));
    }
    return drawn;
  }

  /** Who never answered must not look fast for it. */
  #usualLatency(now: number): number {
    const known = this.all.map((node) => node.latencyAt(now)).filter((ms) => ms !== null);
    return known.reduce((sum, ms) => sum + ms, 0) / Math.max(1, known.length);
  }

  /** Those that a probe has not brought back yet are still among them. */
  #ejected(now: number): number {
    return this.all.filter((node) => ['ejected', 'returning'].includes(node.standing(now))).length;
  }

  #node(name: string): NodeHealth {
    return this.#byName.get(name) as NodeHealth;
  }
}
