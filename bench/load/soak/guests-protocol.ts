import type { Manner } from './visit.ts';

/** What the bench tells the process of its clients. Each question has one answer of the same type. */
export type GuestsQuestion =
  /** So many more clients; answered when each has its first text, or came to its end before. */
  | {
      readonly type: 'join';
      readonly group: string;
      readonly count: number;
      readonly manner: Manner;
      readonly port: number;
    }
  /** What the group met since it was asked the last time. */
  | { readonly type: 'tell'; readonly group: string }
  /** Clients of all kinds, so many at any time, each with one chat after the other. */
  | { readonly type: 'mix'; readonly port: number; readonly count: number; readonly seed: number }
  /** No further chats begin; answered when the last has ended. */
  | { readonly type: 'end-mix' };

export interface Told {
  readonly type: 'tell';
  /** By how they ended. */
  readonly ends: Readonly<Record<string, number>>;
}

export type GuestsAnswer =
  | { readonly type: 'join'; readonly open: number }
  | Told
  | { readonly type: 'mix' }
  | {
      readonly type: 'end-mix';
      readonly tally: Readonly<Record<string, number>>;
      readonly wrong: readonly string[];
    };
