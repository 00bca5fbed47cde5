import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ChatError } from '../errors.ts';
import type { Connection } from './connection.ts';
import { closedUnanswered, crossedClose, depart, isBreak } from './departure.ts';
import type { Departure } from './departure.ts';
import { toNetworkFailure } from './network-failure.ts';
import type { Progress } from './network-failure.ts';
import type { Route } from './route.ts';
import { Scope } from './scope.ts';

export interface OutboundRequest {
  /** Scheme, host and port; a path behind them goes before `path`. */
  readonly origin: string;
  /** Upper case. */
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is iterable is pulled as fast as it can be sent; without a header `content-length` in chunks. */
  readonly body: string | AsyncIterable<Uint8Array> | null;
  /** Being read twice does no harm, as with a GET. */
  readonly repeatable?: boolean;
}

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What follows a response's head: onBytes*, then onEnd or onFailure once. */
export interface BodyReader {
  onBytes(chunk: Buffer): void;
  onEnd(): void;
  onFailure(error: ChatError): void;
}

/** Calls come in order: onHead, onBytes*, then onEnd or onFailure once; none before `send` returned. */
export interface ResponseReader extends BodyReader {
  /**
   * Who is given takes all that follows: chunks need not pass through those who care for heads only, which
   * took 4 % of the CPU of streams whose events come one by one.
   */
  onHead(status: number, headers: ResponseHeaders): BodyReader | void;
}

/** All idempotent. After `abort` the reader hears nothing more and the socket is gone. */
export interface SendControl {
  pause(): void;
  resume(): void;
  abort(): void;
}

/**
 * One request over one route. `route` null: the exits have closed. `label` names the proxy in messages.
 *
 * A request that met a connection which was being closed is sent once more on a new one, unnoticed by
 * the reader: whatever it is when it had not been written, else when `crossedClose` believes that it was
 * not read and it does no harm should that be wrong.
 */
export function sendThrough(
  route: Route | null,
  request: OutboundRequest,
  reader: ResponseReader,
  label: string | null,
): SendControl {
  let body: BodyReader = reader;
  let progress: Progress = 'dialling';
  let scope = new Scope();
  let controller: Dispatcher.DispatchController | null = null;
  let departure: Departure | null = null;
  let isResent = false;
  let isDone = false;
  let isPaused = false;

  const end = (reason: Error): void => {
    isDone = true;
    scope.end(reason);
  };
  const fail = (error: Error): void => {
    if (isDone) return;
    if (route !== null && !isResent && mayGoAgain(error, route)) return goAgain(route);
    if (isResent && departure !== null && closedUnanswered(error, departure)) {
      route?.belief.refute(performance.now());
    }
    end(error);
    body.onFailure(toNetworkFailure(error, progress, label));
  };
  const abort = (): void => {
    if (isDone) return;
    const reason = new ChatError('internal_error', 'The caller left.');
    end(reason);
    controller?.abort(reason);
  };

  function mayGoAgain(error: Error, { belief }: Route): boolean {
    if (departure === null) return isBreak(error);
    const nowMs = performance.now();
    const isHarmless = request.method === 'GET' || request.repeatable === true;
    return isHarmless && belief.holds(nowMs) && crossedClose(error, departure, nowMs);
  }

  function goAgain(over: Route): void {
    scope.end(new Error('sent once more'));
    scope = new Scope();
    [progress, controller, departure, isResent] = ['dialling', null, null, true];
    carry(over);
  }

  const toHandler = (connection: Connection): Dispatcher.DispatchHandler => ({
    onRequestStart(started) {
      controller = started;
      progress = 'sent';
      departure = depart(connection, performance.now());
      if (route !== null && departure.answers > 0) route.traffic.reused += 1;
      if (isDone) started.abort(scope.signal.reason as Error);
      else if (isPaused) started.pause();
    },
    onResponseStart(_, status, headers) {
      // 1xx announces an answer and is none.
      if (isDone || status < 200) return;
      progress = 'answering';
      if (isResent) route?.belief.confirm();
      body = reader.onHead(status, headers) ?? reader;
    },
    onResponseData(_, chunk) {
      if (!isDone) body.onBytes(chunk);
    },
    onResponseEnd() {
      if (isDone) return;
      isDone = true;
      body.onEnd();
    },
    onResponseError: (_, error) => fail(error),
  });

  function carry(over: Route): void {
    const { method, path, headers } = request;
    // The dispatcher takes whatever can be iterated; its types know streams only.
    const sent = request.body as string | Readable | null;
    const options = { method, path: over.prefix + path, headers: { ...headers }, body: sent };
    over.carry({ options, toHandler, onRefused: fail, scope, isResent });
  }

  // Later, so that the caller has the control in hand before the reader hears anything.
  queueMicrotask(() => {
    if (isDone) return;
    if (route === null) fail(new ChatError('shutting_down', 'The proxy is shutting down.'));
    else carry(route);
  });
  return {
    pause() {
      isPaused = true;
      controller?.pause();
    },
    resume() {
      isPaused = false;
      controller?.resume();
    },
    abort,
  };
}
