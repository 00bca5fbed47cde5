/** What the bench asks the stand-in, and what it is told. */
export type BackendQuestion =
  /** How late its own turns came, at most, since the last question. */
  | { readonly type: 'lateness' }
  /** What was taken from it on each connection that takes no more for now. */
  | { readonly type: 'held' };

export type BackendAnswer =
  | { readonly type: 'lateness'; readonly latestMs: number }
  | { readonly type: 'held'; readonly bytes: readonly number[] };
