import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How an exchange ended, or that it has not. `cut`: by the sandbox itself. */
type Outcome = 'open' | 'answered' | 'aborted' | 'cut';

/** What was received, as `GET /__sandbox/requests` shows it. Times are epoch milliseconds. */
export interface RequestRecord {
  readonly id: number;
  /** The same number for all requests of one TCP connection. */
  readonly connection: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly startedAtMs: number;
  /** Parsed when it was JSON, text otherwise, null before it was read. */
  body: unknown;
  /** What a real backend might have minded, and why a request was refused. */
  readonly warnings: string[];
  status: number | null;
  /** Events sent so far, when the answer is a stream. */
  events: number;
  /** True while the script of a stream is being walked, which ends soon after its client leaves. */
  playing: boolean;
  outcome: Outcome;
  /** True when the client left before its answer was complete. */
  aborted: boolean;
  endedAtMs: number | null;
}

interface Counts {
  readonly received: number;
  readonly open: number;
  readonly answered: number;
  readonly aborted: number;
  readonly cut: number;
  readonly connections: number;
}

export interface Recorder {
  /** Starts a record and follows the response to its end. */
  begin(request: IncomingMessage, response: ServerResponse): RequestRecord;
  /** A record that nobody will see. */
  ignore(request: IncomingMessage): RequestRecord;
  /** To be called before the sandbox itself ends a connection. */
  markCut(record: RequestRecord): void;
  /** The newest records, oldest first. */
  records(): readonly RequestRecord[];
  /** Exchanges not ended yet, however old. */
  open(): readonly RequestRecord[];
  counts(): Counts;
  clear(): void;
}

export function createRecorder(now: () => number, maxRecords: number): Recorder {
  const connections = new WeakMap<Socket, number>();
  const open = new Set<RequestRecord>();
  let kept: RequestRecord[] = [];
  let connectionCount = 0;
  let tally = { received: 0, answered: 0, aborted: 0, cut: 0 };

  const connectionOf = (socket: Socket): number => {
    const known = connections.get(socket);
    if (known !== undefined) return known;
    connectionCount += 1;
    connections.set(socket, connectionCount);
    return connectionCount;
  };

  const finish = (record: RequestRecord, response: ServerResponse): void => {
    open.delete(record);
    record.endedAtMs = now();
    if (response.headersSent) record.status = response.statusCode;
    const outcome = record.outcome === 'open' ? outcomeOf(response) : record.outcome;
    record.outcome = outcome;
    record.aborted = outcome === 'aborted';
    tally[outcome] += 1;
  };

  return {
    begin(request, response) {
      tally.received += 1;
      const record = startRecord(request, tally.received, connectionOf(request.socket), now());
      open.add(record);
      kept.push(record);
      // Dropping in large steps keeps recording cheap under load.
      if (kept.length > 2 * maxRecords) kept = kept.slice(-maxRecords);
      response.once('close', () => finish(record, response));
      return record;
    },
    ignore: (request) => startRecord(request, 0, 0, now()),
    markCut(record) {
      record.outcome = 'cut';
    },
    records: () => kept.slice(-maxRecords),
    open: () => [...open],
    counts: () => ({ ...tally, open: open.size, connections: connectionCount }),
    clear() {
      kept = [...open];
      tally = { received: 0, answered: 0, aborted: 0, cut: 0 };
    },
  };
}

function outcomeOf(response: ServerResponse): 'answered' | 'aborted' {
  return response.writableFinished ? 'answered' : 'aborted';
}

function startRecord(
  request: IncomingMessage,
  id: number,
  connection: number,
  startedAtMs: number,
): RequestRecord {
  const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
  return {
    id,
    connection,
    method: request.method ?? 'GET',
    path,
    query,
    headers: request.headers,
    startedAtMs,
    body: null,
    warnings: [],
    status: null,
    events: 0,
    playing: false,
    outcome: 'open',
    aborted: false,
    endedAtMs: null,
  };
}
