/** A gateway from outside the project, as a row of the stream bench. */
export interface Peer {
  readonly name: string;
  /** What the stand-in upstream speaks to it. */
  readonly upstream: 'backend' | 'openai';
  /** How a client of it asks: the path and JSON body of one chat, and further headers. */
  readonly ask: {
    readonly path: string;
    readonly body: object;
    readonly headers: Readonly<Record<string, string>>;
  };
  /** It is so slow that more runs are not worth their time; as many as the others, unless told otherwise. */
  readonly mostRuns?: number;
  /** Rejects with what is missing (the row is then kept as failed with that text). `core`: for taskset, or null. */
  start(upstreamOrigin: string, core: number | null): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly port: number;
  /** Every process of it, whose CPU and RSS count. */
  pids(): readonly number[];
  stop(): Promise<void>;
}
