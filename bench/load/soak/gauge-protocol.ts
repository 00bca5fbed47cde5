/** What the bench asks the server under load, beside HTTP, and what it is told. */
export type GaugeQuestion =
  | { readonly type: 'memory' }
  | { readonly type: 'snapshot'; readonly file: string };

/** After a collection. */
export interface Memory {
  readonly type: 'memory';
  readonly heapBytes: number;
  /** Of native code, with the buffers. */
  readonly externalBytes: number;
  readonly rssBytes: number;
  /** Open handles by their kind. */
  readonly resources: Readonly<Record<string, number>>;
}

export type GaugeAnswer = Memory | { readonly type: 'snapshot'; readonly file: string };
