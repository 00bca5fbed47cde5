import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ChatError } from '../errors.ts';
import type { Connection } from './connection.ts';
import { closedUnanswered, crossedClose, depart, isBreak } from './departure.ts';
import type { Departure } from './departure.ts';
import { toNetworkFailure } from './network-failure.ts';
import type { Progress } from './network-failure.ts';
import type { Parcel, Route } from './route.ts';
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
  const sending = new Sending(route, request, reader, label);
  // Later, so that the caller has the control in hand before the reader hears anything.
  queueMicrotask(() => sending.begin());
  return sending;
}

/** One object for all that a request is to others: its sender's control, the route's parcel, the dispatcher's handler. */
class Sending implements SendControl, Parcel, Dispatcher.DispatchHandler {
  readonly #route: Route | null;
  readonly #request: OutboundRequest;
  readonly #reader: ResponseReader;
  readonly #label: string | null;
  #body: BodyReader;
  #progress: Progress = 'dialling';
  #controller: Dispatcher.DispatchController | null = null;
  #connection: Connection | null = null;
  #departure: Departure | null = null;
  #isDone = false;
  #isPaused = false;
  scope = new Scope();
  isResent = false;

  constructor(route: Route | null, request: OutboundRequest, reader: ResponseReader, label: string | null) {
    this.#route = route;
    this.#request = request;
    this.#reader = reader;
    this.#label = label;
    this.#body = reader;
  }

  begin(): void {
    if (this.#isDone) return;
    if (this.#route === null) this.#fail(new ChatError('shutting_down', 'The proxy is shutting down.'));
    else this.#route.carry(this);
  }

  pause(): void {
    this.#isPaused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#isDone) return;
    const reason = new ChatError('internal_error', 'The caller left.');
    this.#end(reason);
    this.#controller?.abort(reason);
  }

  toOptions(prefix: string): Dispatcher.DispatchOptions {
    const { method, path, headers, body } = this.#request;
    // The dispatcher leaves the headers as they are, and takes whatever can be iterated: its types ask for more.
    return {
      method,
      path: prefix + path,
      headers: headers as Record<string, string>,
      body: body as string | Readable | null,
    };
  }

  toHandler(connection: Connection): Dispatcher.DispatchHandler {
    this.#connection = connection;
    return this;
  }

  onRefused(error: ChatError): void {
    this.#fail(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#progress = 'sent';
    const departure = depart(this.#connection as Connection, performance.now());
    this.#departure = departure;
    if (this.#route !== null && departure.answers > 0) this.#route.traffic.reused += 1;
    if (this.#isDone) controller.abort(this.scope.signal.reason as Error);
    else if (this.#isPaused) controller.pause();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    // 1xx announces an answer and is none.
    if (this.#isDone || status < 200) return;
    this.#progress = 'answering';
    if (this.isResent) this.#route?.belief.confirm();
    this.#body = this.#reader.onHead(status, headers) ?? this.#reader;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isDone) this.#body.onBytes(chunk);
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#body.onEnd();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#isDone) return;
    const route = this.#route;
    if (route !== null && !this.isResent && this.#mayGoAgain(error, route)) return this.#goAgain(route);
    if (this.isResent && this.#departure !== null && closedUnanswered(error, this.#departure)) {
      route?.belief.refute(performance.now());
    }
    this.#end(error);
    this.#body.onFailure(toNetworkFailure(error, this.#progress, this.#label));
  }

  #mayGoAgain(error: Error, { belief }: Route): boolean {
    if (this.#departure === null) return isBreak(error);
    const nowMs = performance.now();
    const isHarmless = this.#request.method === 'GET' || this.#request.repeatable === true;
    return isHarmless && belief.holds(nowMs) && crossedClose(error, this.#departure, nowMs);
  }

  #goAgain(route: Route): void {
    this.scope.end(new Error('sent once more'));
    this.scope = new Scope();
    this.#progress = 'dialling';
    this.#controller = null;
    this.#departure = null;
    this.isResent = true;
    route.carry(this);
  }

  #end(reason: Error): void {
    this.#isDone = true;
    this.scope.end(reason);
  }
}
