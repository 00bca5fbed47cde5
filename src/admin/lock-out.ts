/** Wrong keys that are forgiven before an address must wait. */
const FREE_FAILURES = 5;
/** The same for all addresses together: a guesser with many addresses is slowed down by it. */
const FREE_FAILURES_OVERALL = 100;
/** The first wait; each further failure doubles it. */
const FIRST_WAIT_MS = 5_000;
const MAX_WAIT_MS = 15 * 60_000;
/** Short, because it also shuts out the operator at an address never seen before. */
const MAX_WAIT_OVERALL_MS = 30_000;
/** Failures are forgotten after so long without another. */
const FORGET_MS = 3_600_000;
const MAX_ADDRESSES = 10_000;
const MAX_KNOWN = 100;

interface Tally {
  failures: number;
  lastMs: number;
  lockedUntilMs: number;
}

/**
 * Slows down who guesses at a key. While it says "wait", not even the right key is looked at: otherwise the
 * wait would cost a guesser nothing. A right key does not wipe out earlier failures: behind a reverse proxy
 * the guesser and the operator may have the same address.
 */
export class LockOut {
  readonly #nowMs: () => number;
  readonly #addresses = new Map<string, Tally>();
  readonly #overall: Tally = { failures: 0, lastMs: 0, lockedUntilMs: 0 };
  /** Addresses from which the right key came; other addresses' failures do not keep them waiting. */
  readonly #known = new Set<string>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** How long the address must wait before its next try, in ms; 0: not at all. */
  waitMs(address: string): number {
    const network = networkOf(address);
    const own = this.#addresses.get(network)?.lockedUntilMs ?? 0;
    const shared = this.#known.has(network) ? 0 : this.#overall.lockedUntilMs;
    return Math.max(0, own - this.#nowMs(), shared - this.#nowMs());
  }

  failed(address: string): void {
    const network = networkOf(address);
    const tally = this.#addresses.get(network) ?? { failures: 0, lastMs: 0, lockedUntilMs: 0 };
    this.#count(tally, FREE_FAILURES, MAX_WAIT_MS);
    this.#count(this.#overall, FREE_FAILURES_OVERALL, MAX_WAIT_OVERALL_MS);
    this.#addresses.delete(network);
    this.#addresses.set(network, tally);
    dropOldest(this.#addresses, MAX_ADDRESSES);
  }

  succeeded(address: string): void {
    this.#known.add(networkOf(address));
    dropOldest(this.#known, MAX_KNOWN);
  }

  #count(tally: Tally, free: number, maxWaitMs: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - tally.lastMs > FORGET_MS) tally.failures = 0;
    tally.failures += 1;
    tally.lastMs = nowMs;
    const excess = tally.failures - free;
    if (excess >= 0) tally.lockedUntilMs = nowMs + Math.min(FIRST_WAIT_MS * 2 ** excess, maxWaitMs);
  }
}

/** Whoever has one IPv6 address has the whole /64. */
function networkOf(address: string): string {
  const groups = groupsOf(address);
  return groups.length < 8 || isMappedIpv4(groups) ? address : groups.slice(0, 4).join(':');
}

/** Of an IPv6 address all eight, without leading zeros; of others fewer. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.toLowerCase().split('::', 2);
  const left = head.split(':');
  const right = tail === undefined ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].map((group) => group.replace(/^0+(?=.)|^$/, '') || '0');
}

function isMappedIpv4(groups: readonly string[]): boolean {
  return groups[5] === 'ffff' && groups.slice(0, 5).every((group) => group === '0');
}

function dropOldest(entries: Map<string, unknown> | Set<string>, max: number): void {
  if (entries.size <= max) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}
