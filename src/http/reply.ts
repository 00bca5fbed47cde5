import type { Trace } from '../chat/ports.ts';
import type { ChatError } from '../errors.ts';
import { toErrorBody } from '../openai/error-body.ts';
import { CORS_HEADERS } from './cors.ts';
import { errorHeaders } from './headers.ts';
import type { HeaderList } from './headers.ts';
import { SizedBody } from './sized-body.ts';
import { statusLine } from './status-line.ts';
import type { HttpResponse } from './uws.ts';

/** How a request ended. `shutdown`: cut because the server went away. */
export type Outcome = 'ok' | 'error' | 'client_gone' | 'slow_client' | 'shutdown';

/** What a handler can add to its request's log line. */
export interface ReplyNotes {
  /** The backend's name of the model: never the client's own words. */
  model?: string;
  /** The answer was wanted as a stream. */
  stream?: boolean;
  trace?: Trace;
  /** What the client was told, whether by status or in a frame. */
  error?: ChatError;
}

/** What a reply needs to know of its request and its server. */
export interface ReplyContext {
  readonly requestId: string;
  readonly method: string;
  /** The server drains: say goodbye after the answer. */
  closesConnection(): boolean;
  /** Called exactly once, when nothing more will leave through this reply. */
  onEnd(reply: Reply): void;
  /** A listener threw: a bug of ours, not the client's. */
  onListenerError(error: unknown): void;
}

/** Above this a body is sent as the socket takes it, so that the end of sending is known; below, in one go. */
const ONE_GO_BYTES = 64 * 1024;

/** How long the rest of a refused body is swallowed: closing while it comes would reset the answer away. */
const LINGER_MS = 5_000;

/** A sender that pauses for so long waits for the answer. */
const QUIET_MS = 200;

/**
 * One answer, and the only holder of the native response, which must not be touched after it ended or
 * aborted: here every method is harmless then. Create it before the first await of the native handler.
 *
 *     open --> sending   --> closed     complete answers
 *          \-> streaming --> closed     answers that come in pieces
 */
export class Reply {
  status: number | null = null;
  outcome: Outcome = 'ok';
  /** Body bytes handed to the socket. */
  bytesOut = 0;
  /** What handlers want to see in the log line. */
  readonly notes: ReplyNotes = {};

  readonly #res: HttpResponse;
  readonly #context: ReplyContext;
  #state: 'open' | 'sending' | 'streaming' | 'closed' = 'open';
  #controller: AbortController | null = null;
  #left = false;
  #closeListeners: (() => void)[] = [];
  #shutdownListener: ((error: ChatError) => void) | null = null;
  #body: 'unclaimed' | 'missed' | 'arriving' | 'done' = 'unclaimed';
  #bodyPaused = false;
  #isRelayed = false;
  #bodyRefused = false;
  #onSwallowed: (() => void) | null = null;

  #sized: SizedBody | null = null;

  /** The operands of `#writeCorked`, which is made once so that a write makes no closure. */
  #chunk: string | Uint8Array = '';
  #taken = true;
  readonly #writeCorked = (): void => {
    this.#taken = this.#res.write(this.#chunk);
  };

  constructor(res: HttpResponse, context: ReplyContext) {
    this.#res = res;
    this.#context = context;
    res.onAborted(() => this.#aborted());
  }

  get requestId(): string {
    return this.#context.requestId;
  }

  /** Nothing can be sent any more: answered in full, or the client is gone. */
  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** The head is out: status and headers are decided. */
  get started(): boolean {
    return this.#state !== 'open';
  }

  /** Aborted when the client leaves or is cut before its answer was complete. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#left) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Called once when the reply is over, however; at once when it already is. */
  onClose(listener: () => void): void {
    if (this.closed) this.#guard(listener);
    else this.#closeListeners.push(listener);
  }

  /** One listener; the last chance to say something before the server goes away. */
  onShutdown(listener: (error: ChatError) => void): void {
    this.#shutdownListener = listener;
  }

  /** The answer that follows is another server's: what it allows other origins is not ours to say. */
  relays(): void {
    this.#isRelayed = true;
  }

  /** Hands the connection over to `take`, which upgrades it. False: the reply has started already. */
  upgrade(take: (res: HttpResponse) => void): boolean {
    if (this.#state !== 'open') return false;
    this.status = 101;
    // Before, for the connection is its new owner's as soon as it is taken.
    this.#finish('ok');
    this.#res.cork(() => take(this.#res));
    return true;
  }

  /** Adds fields to the request's log line. */
  note(fields: Readonly<ReplyNotes>): void {
    Object.assign(this.notes, fields);
  }

  /** A complete JSON answer. Does nothing once the reply has started. */
  json(status: number, value: unknown, headers: HeaderList = []): void {
    this.send(status, JSON.stringify(value), [['content-type', 'application/json'], ...headers]);
  }

  /** A complete answer; `body` null sends none. Does nothing once the reply has started. */
  send(status: number, body: string | Uint8Array | null, headers: HeaderList = []): void {
    if (this.#state !== 'open') return;
    this.status = status;
    if (status >= 400) this.outcome = 'error';
    if (body === null || this.#context.method === 'HEAD') return this.#sendHeadOnly(body, headers);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (bytes.byteLength > ONE_GO_BYTES) this.#sendAsTaken(bytes, headers);
    else this.#sendInOneGo(bytes, headers);
  }

  /** The error as an answer, or, when the head is already out, the end of the connection. */
  fail(error: ChatError, headers: HeaderList = []): void {
    if (this.closed) return;
    this.outcome = 'error';
    this.note({ error });
    if (this.#state === 'streaming') return this.cut('error');
    if (this.#state !== 'open') return;
    const all: HeaderList = [['content-type', 'application/json'], ...errorHeaders(error), ...headers];
    const body = JSON.stringify(toErrorBody(error));
    if (error.code === 'request_too_large') this.#refuseBody(() => this.send(error.status, body, all));
    else this.send(error.status, body, all);
  }

  /** The head of a chunked answer and its first chunk, in one packet. False: as `writeChunk`. */
  startStream(status: number, headers: HeaderList, first: string | Uint8Array): boolean {
    if (this.#state !== 'open') return true;
    this.#state = 'streaming';
    this.status = status;
    this.#res.cork(() => {
      this.#writeHead(status, headers);
      if (this.#closesConnection()) this.#res.writeHeader('connection', 'close');
      this.#taken = this.#res.write(first);
    });
    this.bytesOut += bytesIn(first);
    return this.#taken;
  }

  /** A whole chunked answer in one packet. */
  sendStream(status: number, headers: HeaderList, body: Uint8Array, outcome: Outcome): void {
    if (this.#state !== 'open') return;
    this.status = status;
    this.#res.cork(() => {
      this.#writeHead(status, headers);
      if (this.#closesConnection()) this.#res.writeHeader('connection', 'close');
      this.#res.write(body);
      this.#res.end();
    });
    this.bytesOut = body.byteLength;
    this.#finish(outcome);
  }

  /** False: the chunk is taken, but lies in memory; write no more until `onWritable`. `chunk` is not empty. */
  writeChunk(chunk: string | Uint8Array): boolean {
    if (this.#state !== 'streaming') return true;
    this.#chunk = chunk;
    this.#res.cork(this.#writeCorked);
    this.bytesOut += bytesIn(chunk);
    return this.#taken;
  }

  /** The stream's one native listener (a second would replace it). It must write, or the native buffer stays full. */
  onWritable(listener: () => void): void {
    if (this.#state !== 'streaming') return;
    this.#res.onWritable(() => {
      this.#guard(listener);
      return true;
    });
  }

  /**
   * The head of an answer of `size` bytes and the first of them; it ends by itself with the last. False:
   * as `writeSized`; `onTaken` is called each time when writing may go on.
   */
  startSized(
    status: number,
    headers: HeaderList,
    size: number,
    first: Uint8Array,
    onTaken: () => void,
  ): boolean {
    if (this.#state !== 'open') return true;
    this.#state = 'streaming';
    this.status = status;
    return this.#openSized(headers, size, first, onTaken);
  }

  /** False: a part of the chunk is kept here until the socket has room; write no more until then. */
  writeSized(chunk: Uint8Array): boolean {
    const body = this.#sized;
    if (this.#state !== 'streaming' || body === null) return true;
    this.#res.cork(() => (this.#taken = body.write(chunk)));
    const taken = this.#taken;
    this.#afterSized(body);
    return taken;
  }

  /** Tells the native server, which gives a stalled socket 10 s, that waiting is fine. */
  extendPatience(): void {
    if (this.#state !== 'streaming' && !(this.#state === 'open' && this.#body === 'arriving')) return;
    this.#res.pause();
    if (!this.#bodyPaused) this.#res.resume();
  }

  /** Takes no more of the request's body until `resumeBody`; what is read already still comes. */
  pauseBody(): void {
    if (this.closed || this.#body !== 'arriving' || this.#bodyPaused) return;
    this.#bodyPaused = true;
    this.#res.pause();
  }

  /** Due before the answer ends: a connection that rests then would rest for good. */
  resumeBody(): void {
    if (this.closed || !this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.#res.resume();
  }

  /** With a last chunk, which leaves in one packet with the end; null: none. */
  endStream(outcome: Outcome = 'ok', last: Uint8Array | null = null): void {
    if (this.#state !== 'streaming') return;
    this.#res.cork(() => {
      if (last !== null) this.#res.write(last);
      this.#res.end();
    });
    this.bytesOut += last?.byteLength ?? 0;
    this.#finish(outcome);
  }

  /** Ends the connection with what was sent. */
  cut(outcome: Outcome): void {
    if (this.#state === 'closed') return;
    this.outcome = outcome;
    this.#res.close();
  }

  /** The server goes away: streams say so in their own form, unanswered requests get the error. */
  shutDown(error: ChatError): void {
    const listener = this.#shutdownListener;
    if (listener) this.#guard(() => listener(error));
    if (this.#state === 'open') this.fail(error);
  }

  /** Takes the request's body. Throws when the native server has already dropped its beginning. */
  receive(listener: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    if (this.closed) return;
    if (this.#body !== 'unclaimed') throw new Error('the body must be claimed once, before the first await');
    this.#body = 'arriving';
    this.#res.onData((chunk, isLast) => {
      if (isLast) this.#body = 'done';
      this.#guard(() => listener(chunk, isLast));
      this.#onSwallowed?.();
    });
  }

  /** The native handler returns: a body that nobody took is lost from here on. */
  sealBody(): void {
    if (this.#body === 'unclaimed') this.#body = 'missed';
  }

  #sendHeadOnly(body: string | Uint8Array | null, headers: HeaderList): void {
    this.#res.cork(() => {
      this.#writeHead(this.status ?? 200, headers);
      if (body !== null) this.#res.writeHeader('content-length', String(Buffer.byteLength(body)));
      if (this.#closesConnection()) this.#res.writeHeader('connection', 'close');
      this.#res.endWithoutBody();
    });
    this.#finish(this.outcome);
  }

  #sendInOneGo(body: Uint8Array, headers: HeaderList): void {
    this.#res.cork(() => {
      this.#writeHead(this.status ?? 200, headers);
      this.#res.end(body, this.#closesConnection());
    });
    this.bytesOut = body.byteLength;
    this.#finish(this.outcome);
  }

  /** Holds the body here until the socket has taken it all; a client that leaves before is seen as gone. */
  #sendAsTaken(body: Uint8Array, headers: HeaderList): void {
    this.#state = 'sending';
    this.#openSized(headers, body.byteLength, body, () => {});
  }

  #openSized(headers: HeaderList, size: number, first: Uint8Array, onTaken: () => void): boolean {
    let taken = true;
    this.#res.cork(() => {
      this.#writeHead(this.status ?? 200, headers);
      if (this.#closesConnection()) this.#res.writeHeader('connection', 'close');
      const body = new SizedBody(this.#res, size);
      this.#sized = body;
      taken = body.write(first);
      this.#afterSized(body);
      if (this.closed) return;
      this.#res.onWritable((offset) => {
        const emptied = body.retry(offset);
        this.#afterSized(body);
        if (emptied && !this.closed) this.#guard(onTaken);
        return emptied;
      });
    });
    return taken;
  }

  #afterSized(body: SizedBody): void {
    this.bytesOut = body.taken;
    if (body.complete) this.#finish(this.outcome);
  }

  /** Answers when the rest of the refused body has been swallowed, then closes the connection. */
  #refuseBody(answer: () => void): void {
    if (this.#bodyRefused) return;
    this.#bodyRefused = true;
    if (this.#body !== 'arriving') return answer();
    const latest = performance.now() + LINGER_MS;
    const proceed = (): void => {
      clearTimeout(timer);
      if (!this.closed) answer();
    };
    const timer = setTimeout(proceed, QUIET_MS);
    this.#onSwallowed = () => {
      if (this.#body === 'done' || performance.now() > latest) proceed();
      else timer.refresh();
    };
    this.onClose(() => clearTimeout(timer));
  }

  #closesConnection(): boolean {
    return this.#bodyRefused || this.#context.closesConnection();
  }

  #writeHead(status: number, headers: HeaderList): void {
    this.#res.writeStatus(statusLine(status));
    this.#res.writeHeader('x-request-id', this.#context.requestId);
    if (!this.#isRelayed) this.#writeHeaders(CORS_HEADERS);
    this.#writeHeaders(headers);
  }

  #writeHeaders(headers: HeaderList): void {
    // To take each pair apart makes an iterator: 1 KB for six of them.
    for (const header of headers) this.#res.writeHeader(header[0], header[1]);
  }

  #aborted(): void {
    if (this.closed) return;
    this.#left = true;
    this.#controller?.abort();
    this.#finish(this.outcome === 'ok' ? 'client_gone' : this.outcome);
  }

  #finish(outcome: Outcome): void {
    this.#state = 'closed';
    this.outcome = outcome;
    const listeners = this.#closeListeners;
    this.#closeListeners = [];
    for (const listener of listeners) this.#guard(listener);
    this.#guard(() => this.#context.onEnd(this));
  }

  /** No exception may pass through native code: it would end the process. */
  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#context.onListenerError(error);
    }
  }
}

function bytesIn(chunk: string | Uint8Array): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;
}
