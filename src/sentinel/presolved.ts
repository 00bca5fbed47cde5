import { fingerprint } from '../accounts/fingerprint.ts';
import type { ChatPorts, Clearance, Session } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import type { Clearances, Prepared } from './clearance.ts';

export interface PresolvedOptions {
  readonly clearances: Omit<Clearances, 'openPage'>;
  /** PRESOLVE: so many are kept ready for each account and way that is in use; 0: none. */
  readonly perAccount: number;
  /** In all, with those that are being prepared. Accounts that are no longer busy give way to others. */
  readonly maxEntries: number;
  /** Prepared at once, for all accounts. */
  readonly maxAtOnce: number;
  /** An account that had no chat for so long gets no more. */
  readonly busyMs: number;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/**
 * Clearances solved before anybody asks. For accounts only: a visitor is nobody but a device, and his
 * conversation must go on under the device that began it, which a clearance of another one would change.
 */
export interface Presolved extends Pick<ChatPorts, 'clear'> {
  /** The backend turned the session down: it gets no more until a chat of its own succeeds again. */
  forget(session: Session): void;
  readonly ready: number;
  /** Being prepared now. */
  readonly solving: number;
  /** Ends what is being prepared. */
  close(): void;
}

/** A token that expires on its way to the backend is worth less than none. */
const EXPIRY_MARGIN_MS = 60_000;

interface Entry {
  readonly prepared: Prepared;
  readonly expiresMs: number;
}

/** One account on one way. */
interface Stock {
  session: Session;
  askedMs: number;
  entries: Entry[];
  solving: number;
  /** What the backend wants cannot be had ahead of time: it costs money, or does not keep. */
  isBarren: boolean;
}

export function createPresolved(options: PresolvedOptions): Presolved {
  const { clearances, perAccount, maxEntries, maxAtOnce, busyMs, nowMs } = options;
  /** By key; the one asked for longest ago comes first. */
  const stocks = new Map<string, Stock>();
  const ending = new AbortController();
  let solving = 0;

  function clear(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance> {
    if (perAccount === 0 || session.identity.token === null) return clearances.clear(session, turn, signal);
    return clearFromStock(session, turn, signal);
  }

  async function clearFromStock(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance> {
    const ready = await takeReady(session, turn, signal);
    const clearance = ready ?? (await clearances.clear(session, turn, signal));
    use(session);
    replenish();
    return clearance;
  }

  /** The oldest that is still good. Each is handed out once, whatever becomes of it. */
  async function takeReady(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance | null> {
    const stock = stocks.get(keyOf(session));
    if (stock === undefined) return null;
    dropExpired(stock);
    const entry = stock.entries.shift();
    return entry === undefined ? null : clearances.adopt(entry.prepared, session, turn, signal);
  }

  function use(session: Session): void {
    const key = keyOf(session);
    const stock = stocks.get(key) ?? { session, askedMs: 0, entries: [], solving: 0, isBarren: false };
    stock.session = session;
    stock.askedMs = nowMs();
    stocks.delete(key);
    stocks.set(key, stock);
  }

  /** Who asked last is likeliest to ask again. */
  function replenish(): void {
    dropIdle();
    for (const [key, stock] of [...stocks].toReversed()) {
      if (!isBusy(stock)) return;
      while (!stock.isBarren && stock.entries.length + stock.solving < perAccount) {
        if (solving >= maxAtOnce || countReady() + solving >= maxEntries) return;
        void prepare(key, stock);
      }
    }
  }

  async function prepare(key: string, stock: Stock): Promise<void> {
    solving += 1;
    stock.solving += 1;
    try {
      keep(stock, await clearances.prepare(stock.session, ending.signal));
    } catch {
      // Nobody asked for it. Whoever asks next meets the same failure or a better moment, and begins anew.
      if (stocks.get(key) === stock) stocks.delete(key);
    }
    solving -= 1;
    stock.solving -= 1;
    if (!ending.signal.aborted) replenish();
  }

  function keep(stock: Stock, prepared: Prepared | null): void {
    const keepsMs = (prepared?.lifetimeMs ?? 0) - EXPIRY_MARGIN_MS;
    if (prepared === null || keepsMs <= 0) stock.isBarren = true;
    else stock.entries.push({ prepared, expiresMs: nowMs() + keepsMs });
  }

  /** Accounts without chats keep what they have as long as nobody needs the room. */
  function dropIdle(): void {
    for (const stock of stocks.values()) dropExpired(stock);
    for (const [key, stock] of stocks) {
      if (isBusy(stock)) return;
      const isFull = countReady() + solving >= maxEntries;
      if (isFull || stock.entries.length === 0) stocks.delete(key);
    }
  }

  function dropExpired(stock: Stock): void {
    stock.entries = stock.entries.filter(({ expiresMs }) => nowMs() < expiresMs);
  }

  function isBusy({ askedMs }: Stock): boolean {
    return nowMs() - askedMs <= busyMs;
  }

  function countReady(): number {
    let ready = 0;
    for (const { entries } of stocks.values()) ready += entries.length;
    return ready;
  }

  return {
    clear,
    forget: (session) => void stocks.delete(keyOf(session)),
    get ready() {
      return countReady();
    },
    get solving() {
      return solving;
    },
    close() {
      ending.abort();
      stocks.clear();
    },
  };
}

function keyOf({ origin, exit, identity }: Session): string {
  return `${origin} ${exit} ${fingerprint(identity)}`;
}
