/** What the bench asks the server under load, beside HTTP, and what it is told. */
export type GaugeQuestion =
  | { readonly type: 'memory' }
  | { readonly type: 'delays' }
  | { readonly type: 'cpu' }
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

/** Of the event loop, since the last question. */
export interface Delays {
  readonly type: 'delays';
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export type GaugeAnswer =
  | Memory
  | Delays
  | { readonly type: 'cpu'; readonly us: number }
  | { readonly type: 'snapshot'; readonly file: string };
