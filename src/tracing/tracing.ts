import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import type { ChatPorts, CompleteTurn, StreamControl, StreamReader, Trace } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Exchange } from '../outbound/exchange.ts';
import type { ProofPool } from '../threads/pool.ts';
import { parentContext } from './trace-context.ts';

type Api = typeof import('@opentelemetry/api');

/** What runs is part of a span. */
interface Scope {
  readonly context: Context;
  readonly turn: TracedTurn | null;
}

interface TracedTurn {
  readonly span: Span;
  readonly trace: Trace;
  /** What the attempt before came to. */
  lastFailure: ChatError | null;
}

/** Asked by machines, day and night. */
const UNTRACED: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
const CLOSE_MS = 3_000;
const MAX_DIFFICULTY_CHARS = 16;

/**
 * Spans of requests and of what chats do for them. Who is whose child follows the asynchronous calls, so that
 * what lies between knows nothing of it:
 *
 *   POST /v1/chat/completions
 *     chat (one for each choice)            event retry
 *       account
 *       clearance -> calls to the backend, proof
 *       upload -> calls to the backend
 *       conversation                        events opened, first_text
 *
 * Attributes are short names and numbers: no words of clients, no tokens, hosts without credentials.
 */
export class Tracing {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #shutdown: () => Promise<void>;
  readonly #scopes = new AsyncLocalStorage<Scope>();

  constructor(api: Api, tracer: Tracer, shutdown: () => Promise<void>) {
    this.#api = api;
    this.#tracer = tracer;
    this.#shutdown = shutdown;
  }

  /** Handles a request within its span, which ends with the reply. */
  readonly around = (route: string, request: RequestSnapshot, reply: Reply, handle: () => void): void => {
    if (UNTRACED.has(route)) return handle();
    const method = METHODS.has(request.method) ? request.method : '_OTHER';
    const attributes = {
      'http.request.method': method,
      'http.route': route,
      'chat2api.request_id': request.id,
    };
    const caller = parentContext(this.#api, request.header('traceparent'), request.header('tracestate'));
    const kind = this.#api.SpanKind.SERVER;
    const span = this.#tracer.startSpan(`${method} ${route}`, { kind, attributes }, caller);
    reply.onClose(() => this.#endRequest(span, reply));
    this.#scopes.run({ context: this.#api.trace.setSpan(caller, span), turn: null }, handle);
  };

  complete(complete: CompleteTurn): CompleteTurn {
    return (turn, caller, sink, ending, trace) =>
      this.#during('chat', { 'gen_ai.request.model': turn.model.slug }, ending.signal, (span, context) => {
        const traced: TracedTurn = { span, trace, lastFailure: null };
        const work = (): Promise<void> => complete(turn, caller, sink, ending, trace);
        return this.#scopes
          .run({ context, turn: traced }, work)
          .finally(() => span.setAttribute('chat2api.attempts', trace.attempts));
      });
  }

  ports(ports: ChatPorts): ChatPorts {
    return {
      ...ports,
      lease: (...ask) => this.#lease(ports, ...ask),
      clear: (session, turn, signal) =>
        this.#during('clearance', {}, signal, () => ports.clear(session, turn, signal)),
      attach: (session, attachment, signal) =>
        this.#during('upload', {}, signal, () => ports.attach(session, attachment, signal)),
      converse: (session, ask, clearance, reader) => {
        const scope = this.#scopes.getStore();
        if (scope === undefined) return ports.converse(session, ask, clearance, reader);
        const span = this.#start('conversation', scope, { 'server.address': hostOf(session.origin) });
        const sinceMs = Date.now();
        const onEnd = (error: ChatError | null): void => this.#endStream(span, scope, sinceMs, error);
        const stream = new TracedStream(reader, onEnd, span);
        return stream.steer(ports.converse(session, ask, clearance, stream));
      },
    };
  }

  /** Small calls to the backend and to services. */
  exchange(exchange: Exchange): Exchange {
    return (request, signal) => {
      const { step, method, origin } = request;
      const attributes = { 'http.request.method': method, 'server.address': hostOf(origin) };
      return this.#during(step, attributes, signal, async (span) => {
        const answer = await exchange(request, signal);
        span.setAttribute('http.response.status_code', answer.status);
        return answer;
      });
    };
  }

  proofs({ solve }: Pick<ProofPool, 'solve'>): Pick<ProofPool, 'solve'> {
    return {
      solve: (puzzle, signal, urgency) => {
        // What is solved ahead is no part of the chat that it was begun after.
        if (urgency === 'background') return solve(puzzle, signal, urgency);
        const difficulty = puzzle.difficulty.slice(0, MAX_DIFFICULTY_CHARS);
        return this.#during('proof', { 'chat2api.proof.difficulty': difficulty }, signal, async (span) => {
          const answer = await solve(puzzle, signal, urgency);
          span.setAttribute('chat2api.proof.tries', answer.tries);
          return answer;
        });
      },
    };
  }

  /** Sends what is left; gives up after three seconds. */
  async close(): Promise<void> {
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    await Promise.race([this.#shutdown().catch(() => {}), timeout]);
  }

  async #lease(ports: ChatPorts, ...ask: Parameters<ChatPorts['lease']>): ReturnType<ChatPorts['lease']> {
    const [, , tried, signal] = ask;
    const turn = this.#scopes.getStore()?.turn ?? null;
    if (turn !== null && tried.length > 0) tellRetry(turn, tried.length + 1);
    const lease = await this.#during('account', {}, signal, async (span) => {
      const taken = await ports.lease(...ask);
      const { account, exit, origin } = taken.session;
      span.setAttributes({ 'chat2api.exit': exit, 'server.address': hostOf(origin) });
      if (account !== null) span.setAttribute('chat2api.account', account);
      return taken;
    });
    return {
      ...lease,
      release(failure) {
        if (turn !== null) turn.lastFailure = failure;
        lease.release(failure);
      },
    };
  }

  /** A child of what runs, around `work`; outside of every request no span. */
  async #during<T>(
    name: string,
    attributes: Attributes,
    signal: AbortSignal,
    work: (span: Span, context: Context) => Promise<T>,
  ): Promise<T> {
    const scope = this.#scopes.getStore();
    if (scope === undefined)
      return work(this.#api.trace.wrapSpanContext(this.#api.INVALID_SPAN_CONTEXT), this.#api.ROOT_CONTEXT);
    const span = this.#start(name, scope, attributes);
    const context = this.#api.trace.setSpan(scope.context, span);
    try {
      return await this.#scopes.run({ ...scope, context }, () => work(span, context));
    } catch (thrown) {
      if (thrown instanceof ChatError) this.#fail(span, thrown);
      else span.setAttribute('error.type', signal.aborted ? 'client_gone' : 'internal_error');
      throw thrown;
    } finally {
      span.end();
    }
  }

  #start(name: string, { context }: Scope, attributes: Attributes): Span {
    const kind = 'server.address' in attributes ? this.#api.SpanKind.CLIENT : this.#api.SpanKind.INTERNAL;
    return this.#tracer.startSpan(name, { kind, attributes }, context);
  }

  #endRequest(span: Span, { status, outcome, bytesOut, notes }: Reply): void {
    const { error, model, stream, trace } = notes;
    span.setAttributes({
      'chat2api.outcome': outcome,
      'http.response.body.size': bytesOut,
      ...(status !== null && { 'http.response.status_code': status }),
      ...(model !== undefined && { 'gen_ai.request.model': model }),
      ...(stream !== undefined && { 'chat2api.stream': stream }),
      ...(trace !== undefined && { 'chat2api.attempts': trace.attempts }),
    });
    if (error !== undefined) this.#fail(span, error);
    span.end();
  }

  #endStream(span: Span, { turn }: Scope, sinceMs: number, error: ChatError | null): void {
    if (error !== null) this.#fail(span, error);
    const { startedAt = 0, firstTextMs = null } = turn?.trace ?? {};
    // An answer that is asked on has its first text in an earlier conversation.
    const isHere = firstTextMs !== null && startedAt + firstTextMs >= sinceMs;
    if (isHere) span.addEvent('first_text', {}, startedAt + firstTextMs);
    span.end();
  }

  /** By its code: what others said of it stays here. */
  #fail(span: Span, { code, fault }: ChatError): void {
    span.setAttributes({ 'error.type': code, 'chat2api.fault': fault });
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: code });
  }
}

function tellRetry({ span, lastFailure }: TracedTurn, attempt: number): void {
  span.addEvent('retry', {
    'chat2api.attempt': attempt,
    ...(lastFailure !== null && { 'error.type': lastFailure.code, 'chat2api.fault': lastFailure.fault }),
  });
}

/** Without user and password. */
function hostOf(url: string): string {
  return new URL(url).host;
}

/** Passes a stream on; `onEnd` is called once, however it ends. */
class TracedStream implements StreamReader {
  #reader: StreamReader;
  readonly #onEnd: (error: ChatError | null) => void;
  readonly #span: Span;
  #hasEnded = false;

  constructor(reader: StreamReader, onEnd: (error: ChatError | null) => void, span: Span) {
    this.#reader = reader;
    this.#onEnd = onEnd;
    this.#span = span;
  }

  steer(control: StreamControl): StreamControl {
    return {
      askedIds: control.askedIds,
      pause: () => control.pause(),
      resume: () => control.resume(),
      abort: () => {
        this.#end(null);
        control.abort();
      },
    };
  }

  onOpen(): void {
    this.#span.addEvent('opened');
    this.#reader = this.#reader.onOpen() ?? this.#reader;
  }

  onBytes(chunk: Uint8Array): void {
    this.#reader.onBytes(chunk);
  }

  onEnd(): void {
    this.#end(null);
    this.#reader.onEnd();
  }

  onFailure(error: ChatError): void {
    this.#end(error);
    this.#reader.onFailure(error);
  }

  #end(error: ChatError | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd(error);
  }
}
