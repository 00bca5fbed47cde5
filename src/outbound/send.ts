import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ChatError } from '../errors.ts';
import { toNetworkFailure } from './network-failure.ts';
import type { Progress } from './network-failure.ts';
import type { Route } from './route.ts';

export interface OutboundRequest {
  /** Scheme, host and port; a path behind them goes before `path`. */
  readonly origin: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is iterable is pulled as fast as it can be sent, and needs a header `content-length`. */
  readonly body: string | AsyncIterable<Uint8Array> | null;
}

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Calls come in order: onHead, onBytes*, then onEnd or onFailure once; none before `send` returned. */
export interface ResponseReader {
  onHead(status: number, headers: ResponseHeaders): void;
  onBytes(chunk: Buffer): void;
  onEnd(): void;
  onFailure(error: ChatError): void;
}

/** All idempotent. After `abort` the reader hears nothing more and the socket is gone. */
export interface SendControl {
  pause(): void;
  resume(): void;
  abort(): void;
}

/** One request over one route. `route` null: the exits have closed. `label` names the proxy in messages. */
export function sendThrough(
  route: Route | null,
  request: OutboundRequest,
  reader: ResponseReader,
  label: string | null,
): SendControl {
  const dialling = new AbortController();
  let progress: Progress = 'dialling';
  let controller: Dispatcher.DispatchController | null = null;
  let isDone = false;
  let isPaused = false;
  let release = (): void => {};

  const fail = (error: Error): void => {
    if (isDone) return;
    isDone = true;
    release();
    reader.onFailure(toNetworkFailure(error, progress, label));
  };
  const abort = (): void => {
    if (isDone) return;
    isDone = true;
    const reason = new ChatError('internal_error', 'The caller left.');
    release();
    dialling.abort(reason);
    controller?.abort(reason);
  };
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      progress = 'sent';
      if (isDone) started.abort(dialling.signal.reason as Error);
      else if (isPaused) started.pause();
    },
    onResponseStart(_, status, headers) {
      // 1xx announces an answer and is none.
      if (isDone || status < 200) return;
      progress = 'answering';
      reader.onHead(status, headers);
    },
    onResponseData(_, chunk) {
      if (!isDone) reader.onBytes(chunk);
    },
    onResponseEnd() {
      if (isDone) return;
      isDone = true;
      release();
      reader.onEnd();
    },
    onResponseError: (_, error) => fail(error),
  };

  const { method, path, headers, body } = request;
  // Later, so that the caller has the control in hand before the reader hears anything.
  queueMicrotask(() => {
    if (isDone) return;
    if (route === null) return fail(new ChatError('shutting_down', 'The proxy is shutting down.'));
    try {
      // The dispatcher takes whatever can be iterated; its types know streams only.
      const sent = body as string | Readable | null;
      const options = { method, path: route.prefix + path, headers: { ...headers }, body: sent };
      release = route.dispatch(options, handler, dialling.signal);
      if (isDone) release();
    } catch (error) {
      fail(error instanceof Error ? error : new Error('dispatch failed'));
    }
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
