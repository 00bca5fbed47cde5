import { createRetryBudget, retryDelayMs } from '../../src/chat/retry.ts';
import { ChatError } from '../../src/errors.ts';
import type { SetPolicy } from '../../src/outbound/node-set.ts';
import type { Way, WayLease } from '../../src/outbound/way.ts';
import { createWays } from '../../src/outbound/ways.ts';
import type { NodeSight, Ways } from '../../src/outbound/ways.ts';

/** A world of proxies and gateways with faults, in virtual time: the ways' and the retries' real policy drive it. */
export interface Scene {
  readonly seed: number;
  readonly exits: number;
  readonly gateways: number;
  readonly requestsPerSecond: number;
  /** No fault begins or lasts later. */
  readonly faultsEndMs: number;
  readonly endMs: number;
  readonly faults: readonly Fault[];
  readonly leaveShare: number;
  readonly policy?: Partial<SetPolicy>;
  readonly budget?: { readonly share: number; readonly min: number };
  /** Retries tell where they failed before; switched off to show what it does. */
  readonly avoids?: boolean;
}

export type FaultKind = 'refuses' | 'silent' | 'slow' | 'flaps' | 'cuts' | 'unwell';

export interface Fault {
  readonly node: string;
  readonly kind: FaultKind;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Outcome {
  readonly requests: number;
  readonly answered: number;
  readonly failed: number;
  readonly left: number;
  readonly retries: number;
  /** Attempts per exit while any fault lasted, and in the last 30 s. */
  readonly attempts: ReadonlyMap<string, number>;
  readonly attemptsAtEnd: ReadonlyMap<string, number>;
  /** Violations of what must hold at every moment. */
  readonly broken: ReadonlySet<string>;
  readonly mostEjected: number;
  /** Requests at once at an exit that was on probation when they went there. */
  readonly mostProbes: number;
  readonly budgetExceeded: boolean;
  /** Attempts through an exit where the same request had failed. */
  readonly sameExitAgain: number;
  readonly exits: readonly NodeSight[];
  readonly gateways: readonly NodeSight[];
  readonly openLeases: number;
}

export function exitName(number: number): string {
  return `outbound proxy ${number}`;
}

export function gatewayName(number: number): string {
  return `http://g${number}`;
}

/** A stream of numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let at = seed;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What an attempt comes to. `headMs`, when the first byte arrives; null: none does. */
interface Fate {
  readonly failure: ChatError | null;
  readonly headMs: number | null;
  readonly endMs: number;
}

interface Turn {
  readonly leavesAtMs: number;
  readonly endsAtMs: number;
  readonly tried: Way[];
  attempt: number;
  endRetry: (() => void) | null;
  readonly leave: () => void;
  hasByte: boolean;
}

const TOTAL_MS = 60_000;
const SILENCE_MS = 5_000;

export function simulate(scene: Scene): Outcome {
  const random = seeded(scene.seed);
  const agenda = createAgenda();
  const budget = createRetryBudget(scene.budget);
  const broken = new Set<string>();
  const attempts = new Map<string, number>();
  const attemptsAtEnd = new Map<string, number>();
  const tally = { requests: 0, answered: 0, failed: 0, left: 0, retries: 0 };
  const most = { ejected: 0, probes: 0 };
  let budgetExceeded = false;
  let sameExitAgain = 0;
  const open = new Set<WayLease>();
  const ejected = new Set<string>();
  const probing = new Map<string, number>();
  const ways: Ways = createWays({
    exits: Array.from({ length: scene.exits }, (_, at) => exitName(at + 1)),
    gateways: Array.from({ length: scene.gateways }, (_, at) => gatewayName(at + 1)),
    nowMs: () => agenda.nowMs,
    random,
    onEvent({ node, kind }) {
      if (kind === 'ejected' && node.startsWith('outbound')) ejected.add(node);
      if (kind === 'returned') ejected.delete(node);
      most.ejected = Math.max(most.ejected, ejected.size);
    },
    policy: scene.policy ?? {},
  });

  function faultOf(node: string): FaultKind | null {
    const now = agenda.nowMs;
    const fault = scene.faults.find((one) => one.node === node && now >= one.fromMs && now < one.toMs);
    if (fault?.kind === 'flaps') return Math.floor(now / 700) % 2 === 0 ? 'refuses' : null;
    return fault?.kind ?? null;
  }

  function fateOf(way: Way): Fate {
    const exit = faultOf(way.exit);
    const gateway = faultOf(way.origin);
    const headMs = 50 + random() * 50;
    const endMs = headMs + random() * 400;
    if (exit === 'refuses') return { failure: refused('exit'), headMs: null, endMs: 1 };
    if (exit === 'silent' || gateway === 'silent')
      return { failure: silent(), headMs: null, endMs: SILENCE_MS };
    if (gateway === 'refuses') return { failure: refused('either'), headMs: null, endMs: 2 };
    if (gateway === 'unwell')
      return { failure: new ChatError('upstream_error', '503'), headMs: null, endMs: 5 };
    if (exit === 'cuts' || gateway === 'cuts') return { failure: cut(), headMs, endMs: headMs + 20 };
    if (exit === 'slow' || gateway === 'slow')
      return { failure: null, headMs: headMs + 3_000, endMs: endMs + 3_000 };
    return { failure: null, headMs, endMs };
  }

  function begin(): void {
    tally.requests += 1;
    const leaves = random() < scene.leaveShare;
    const leavesAtMs = leaves ? agenda.nowMs + random() * 1_000 : Infinity;
    const leave = budget.enter();
    const endsAtMs = agenda.nowMs + TOTAL_MS;
    attempt({ leavesAtMs, endsAtMs, tried: [], attempt: 0, endRetry: null, leave, hasByte: false });
  }

  function finish(turn: Turn, how: 'answered' | 'failed' | 'left'): void {
    tally[how] += 1;
    turn.endRetry?.();
    turn.leave();
  }

  function attempt(turn: Turn): void {
    turn.attempt += 1;
    const states = new Map(ways.views().exits.map((node) => [node.name, node.state]));
    const lease = ways.pick({ prefer: null, avoid: scene.avoids === false ? [] : turn.tried });
    const { way } = lease;
    const before = turn.tried.filter(({ exit }) => exit === way.exit);
    if (before.length > 0) sameExitAgain += 1;
    const counts = agenda.nowMs < scene.faultsEndMs ? attempts : attemptsAtEnd;
    if (counts === attempts || agenda.nowMs >= scene.endMs - 30_000) {
      counts.set(way.exit, (counts.get(way.exit) ?? 0) + 1);
    }
    open.add(lease);
    const isProbe = states.get(way.exit) === 'probing';
    if (isProbe) probing.set(way.exit, (probing.get(way.exit) ?? 0) + 1);
    most.probes = Math.max(most.probes, probing.get(way.exit) ?? 0);
    const beganMs = agenda.nowMs;
    const { failure, headMs, endMs } = fateOf(way);
    const end = (result: ChatError | null): void => {
      lease.release(result);
      open.delete(lease);
      if (isProbe) probing.set(way.exit, (probing.get(way.exit) ?? 0) - 1);
      lease.release(null);
    };
    if (turn.leavesAtMs < beganMs + endMs) {
      agenda.at(Math.max(beganMs, turn.leavesAtMs), () => {
        end(new ChatError('internal_error', 'The caller left.'));
        finish(turn, 'left');
      });
      return;
    }
    if (headMs !== null) {
      agenda.at(beganMs + headMs, () => {
        turn.hasByte = true;
        ways.observe(way, headMs);
      });
    }
    agenda.at(beganMs + endMs, () => {
      end(failure);
      turn.tried.push(way);
      if (failure === null) return finish(turn, 'answered');
      retry(turn, failure);
    });
  }

  function retry(turn: Turn, failure: ChatError): void {
    turn.endRetry?.();
    turn.endRetry = null;
    const delayMs = retryDelayMs(failure, {
      attempt: turn.attempt,
      retryTimes: 3,
      hasOtherAccount: false,
      leftMs: turn.endsAtMs - agenda.nowMs,
      isKept: false,
      asked: true,
      opened: false,
      random,
    });
    if (delayMs === null || turn.hasByte) return finish(turn, 'failed');
    turn.endRetry = budget.take();
    if (turn.endRetry === null) return finish(turn, 'failed');
    tally.retries += 1;
    if (budget.retrying > Math.max(3, 0.2 * budget.active)) budgetExceeded = true;
    agenda.at(agenda.nowMs + delayMs, () => {
      if (turn.leavesAtMs < agenda.nowMs) finish(turn, 'left');
      else attempt(turn);
    });
  }

  function inspect(): void {
    const { exits, gateways } = ways.views();
    for (const nodes of [exits, gateways]) {
      const inFlight = nodes.reduce((sum, node) => sum + node.inFlight, 0);
      if (inFlight !== open.size) broken.add('in flight is not what is open');
      if (nodes.some((node) => node.inFlight < 0)) broken.add('in flight is negative');
    }
    if (agenda.nowMs < scene.endMs) agenda.at(agenda.nowMs + 50, inspect);
  }

  function arrive(): void {
    begin();
    const nextMs = agenda.nowMs + (-Math.log(1 - random()) * 1_000) / scene.requestsPerSecond;
    if (nextMs < scene.endMs) agenda.at(nextMs, arrive);
  }

  agenda.at(0, arrive);
  agenda.at(0, inspect);
  agenda.run();
  const { requests, answered, failed, left } = tally;
  if (requests !== answered + failed + left) broken.add('a request has no end, or two');
  if (budget.active !== 0 || budget.retrying !== 0) broken.add('the budget is not given back');
  return {
    ...tally,
    attempts,
    attemptsAtEnd,
    broken,
    mostEjected: most.ejected,
    mostProbes: most.probes,
    budgetExceeded,
    sameExitAgain,
    ...ways.views(),
    openLeases: open.size,
  };
}

function refused(place: 'exit' | 'either'): ChatError {
  return new ChatError('upstream_unreachable', 'refused', { place, unsent: true });
}

function silent(): ChatError {
  return new ChatError('upstream_timeout', 'silent', { retryable: true });
}

function cut(): ChatError {
  return new ChatError('upstream_protocol_error', 'cut', { place: 'either' });
}

interface Agenda {
  readonly nowMs: number;
  at(ms: number, act: () => void): void;
  run(): void;
}

/** Things to do in virtual time, in its order: a binary heap. */
function createAgenda(): Agenda {
  const heap: { ms: number; order: number; act: () => void }[] = [];
  let nowMs = 0;
  let order = 0;
  const isBefore = (a: number, b: number): boolean => {
    const one = heap[a];
    const other = heap[b];
    if (one === undefined || other === undefined) return one !== undefined;
    return one.ms === other.ms ? one.order < other.order : one.ms < other.ms;
  };
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b] as (typeof heap)[0], heap[a] as (typeof heap)[0]];
  };
  return {
    get nowMs() {
      return nowMs;
    },
    at(ms, act) {
      heap.push({ ms, order: (order += 1), act });
      for (let at = heap.length - 1; at > 0 && isBefore(at, (at - 1) >> 1); at = (at - 1) >> 1) {
        swap(at, (at - 1) >> 1);
      }
    },
    run() {
      while (heap.length > 0) {
        swap(0, heap.length - 1);
        const next = heap.pop() as (typeof heap)[0];
        for (let at = 0; ;) {
          const child = isBefore(2 * at + 2, 2 * at + 1) ? 2 * at + 2 : 2 * at + 1;
          if (!isBefore(child, at)) break;
          swap(at, child);
          at = child;
        }
        nowMs = Math.max(nowMs, next.ms);
        next.act();
      }
    },
  };
}
