/** What the processes of a load bench tell each other beside HTTP: questions of the bench and their answers. */

export type Question =
  /** How the upstream stand-in answers from now on. */
  | { readonly type: 'plan'; readonly plan: Plan }
  /** What the generator asks for. */
  | { readonly type: 'load'; readonly load: Load };

export type Answer =
  | { readonly type: 'planned' }
  | { readonly type: 'loaded'; readonly result: LoadResult }
  | { readonly type: 'refused'; readonly why: string };

export interface Plan {
  /** How conversations are streamed; chat completions know one encoding only. */
  readonly encoding: 'v1' | 'legacy';
  readonly deltas: number;
  /** So many come in the first event: the rest then shows what an event costs late in a long answer. */
  readonly atOnce: number;
  /** So many in each event after the first; one, unless told otherwise. */
  readonly perEvent?: number;
  /** Each delta is a write of its own. Null: as fast as they are taken. */
  readonly deltasPerSecond: number | null;
  /** Without a pace: many deltas in one write, or each alone all the same. */
  readonly isBatched: boolean;
}

/** What a client is sent: chunks of chat completions, or the backend's own events. */
export type Dialect = 'openai' | 'v1' | 'legacy';

/** Where chats are asked for, and how. */
export interface Target {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  readonly dialect: Dialect;
}

/** Closed: each client begins its next chat when one ends. Open: chats begin at a rate, whatever becomes of them. */
export type Arrivals =
  | { readonly kind: 'closed'; readonly clients: number; readonly forMs: number }
  | { readonly kind: 'open'; readonly perSecond: number; readonly forMs: number };

export interface Load {
  readonly target: Target;
  /** The answer that the plan makes. */
  readonly deltas: number;
  readonly atOnce: number;
  readonly deltasPerSecond: number | null;
  readonly arrivals: Arrivals;
  /** When events, chats, gaps and usage are counted, in milliseconds after the start. */
  readonly window: { readonly fromMs: number; readonly toMs: number };
  /** How long chats may go on after the last arrival; what is left then is cut. */
  readonly patienceMs: number;
  /** Processes whose usage is told, in groups by name. */
  readonly watched: Readonly<Record<string, readonly number[]>>;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Usage {
  /** Microseconds of processor time, all threads, within the window. */
  readonly cpuUs: number;
  /** At the end of the window. */
  readonly rssBytes: number;
}

export interface LoadResult {
  /** All chats, those outside the window too. */
  readonly started: number;
  /** Whose text came whole and in order, with one finish and one `[DONE]` at the end. */
  readonly correct: number;
  /** Cut when the patience was over, with nothing wrong until then. */
  readonly unfinished: number;
  /** What was wrong with the others, and how often. */
  readonly failures: Readonly<Record<string, number>>;
  readonly windowMs: number;
  /** Of the upstream: deltas whose text arrived within the window, however the proxy cut them. Those at once are one. */
  readonly events: number;
  /** Chats that ended within the window. */
  readonly chats: number;
  /** From the intended beginning of a chat to its first text. Of all chats. */
  readonly firstTextMs: Quantiles;
  /** Between a delta of a stream and the next. */
  readonly gapMs: Quantiles;
  /** How far behind the pace a delta came at worst, counted from its stream's first; of all chats. */
  readonly latestMs: number;
  /** The same of each delta of a pace within the window; those that came early count as 0. */
  readonly lateMs: Quantiles;
  /** How late the generator's own timers were within the window: what it says of others is no better. */
  readonly ownDelayMs: Quantiles;
  readonly usage: Readonly<Record<string, Usage>>;
}
