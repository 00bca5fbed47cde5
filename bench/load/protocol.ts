/** What the processes of a load bench tell each other beside HTTP: questions of the bench and their answers. */

export type Question =
  /** Processor time so far, all threads, user and system. */
  | { readonly type: 'cpu' }
  /** How the upstream stand-in answers conversations from now on. */
  | { readonly type: 'plan'; readonly plan: Plan };

export interface Plan {
  readonly deltas: number;
  /** Null: the whole answer at once. */
  readonly deltasPerSecond: number | null;
}

export type Answer = { readonly type: 'cpu'; readonly us: number } | { readonly type: 'planned' };
