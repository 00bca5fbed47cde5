import { dispatch, shuttingDown } from './dispatch.ts';
import { healthRoutes } from './health-routes.ts';
import { Reply } from './reply.ts';
import type { Outcome, ReplyNotes } from './reply.ts';
import { takeSnapshot } from './request.ts';
import { createRouter } from './router.ts';
import type { Match, Route, Router } from './router.ts';
import { loadUws } from './uws.ts';
import type { HttpRequest, HttpResponse, ListenSocket, TemplatedApp, Uws } from './uws.ts';

/** One finished request, for the log. */
export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, or `unknown`; never the path itself. */
  readonly route: string;
  /** Null: the client left before there was one. */
  readonly status: number | null;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
  /** What the handler added with `reply.note`. */
  readonly notes: Readonly<ReplyNotes>;
}

export interface ServerOptions {
  readonly host: string;
  /** 0: any free one; `listen` tells which. */
  readonly port: number;
  /** `API_PREFIX`; empty: none. */
  readonly prefix: string;
  readonly routes: readonly Route[];
  /** How long running replies may take to finish once draining. */
  readonly drainTimeoutMs: number;
  /** Why `/readyz` should say no, beside draining. */
  unreadyReasons(): readonly string[];
  onRequestEnd(record: RequestRecord): void;
  onInternalError(requestId: string, error: unknown): void;
}

export interface Server {
  /** Which native binary serves. */
  readonly nativeBuild: string;
  /** Requests whose answer is not complete. */
  readonly inflight: number;
  /** Rejects when the address cannot be had. */
  listen(): Promise<{ readonly port: number }>;
  /** Refuses new work, lets running replies finish, then closes everything. Idempotent. */
  drain(): Promise<void>;
  /** Closes everything now. Idempotent. */
  destroy(): void;
}

/** Time for the last words of cut streams to leave. */
const LAST_WORDS_MS = 250;

export function createServer(options: ServerOptions): Server {
  return new UwsServer(options);
}

class UwsServer implements Server {
  readonly nativeBuild: string;
  readonly #options: ServerOptions;
  readonly #uws: Uws;
  readonly #app: TemplatedApp;
  readonly #route: Router;
  readonly #inflight = new Set<Reply>();
  #listenSocket: ListenSocket | null = null;
  #draining: Promise<void> | null = null;
  #destroyed = false;
  #onIdle: (() => void) | null = null;

  constructor(options: ServerOptions) {
    const { uws, nativeBuild } = loadUws();
    this.nativeBuild = nativeBuild;
    this.#options = options;
    this.#uws = uws;
    this.#route = createRouter(
      [...healthRoutes(() => this.#unreadyReasons()), ...options.routes],
      options.prefix,
    );
    this.#app = uws.App().any('/*', (res, req) => this.#onRequest(res, req));
  }

  get inflight(): number {
    return this.#inflight.size;
  }

  listen(): Promise<{ readonly port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      // Without the option a second process on the same port would silently share its connections.
      this.#app.listen(host, port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
        if (socket === false) return reject(new Error(`cannot listen on ${host}:${port}; is it in use?`));
        this.#listenSocket = socket;
        resolve({ port: this.#uws.us_socket_local_port(socket) });
      });
    });
  }

  drain(): Promise<void> {
    this.#draining ??= this.#runDrain();
    return this.#draining;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#stopListening();
    for (const reply of this.#inflight) reply.cut('shutdown');
    this.#app.close();
  }

  /** An exception that reached native code would end the process. */
  #onRequest(res: HttpResponse, req: HttpRequest): void {
    try {
      this.#accept(res, req);
    } catch (error) {
      this.#options.onInternalError('none', error);
      res.close();
    }
  }

  #accept(res: HttpResponse, req: HttpRequest): void {
    const match = this.#route(req.getMethod().toUpperCase(), req.getUrl());
    const request = takeSnapshot(req, res, match.kind === 'found' ? match.parameter : null);
    const startedAt = performance.now();
    const onListenerError = (error: unknown): void => this.#options.onInternalError(request.id, error);
    const reply = new Reply(res, {
      requestId: request.id,
      method: request.method,
      closesConnection: () => this.#draining !== null,
      onListenerError,
      onEnd: (ended) => this.#ended(ended, request.method, match, performance.now() - startedAt),
    });
    this.#inflight.add(reply);
    dispatch(match, request, reply, this.#draining !== null, onListenerError);
    reply.sealBody();
  }

  #ended(reply: Reply, method: string, match: Match, durationMs: number): void {
    this.#inflight.delete(reply);
    if (this.#inflight.size === 0) this.#onIdle?.();
    this.#options.onRequestEnd(toRecord(reply, method, match, durationMs));
  }

  #unreadyReasons(): readonly string[] {
    const reasons = this.#options.unreadyReasons();
    return this.#draining ? ['draining', ...reasons] : reasons;
  }

  async #runDrain(): Promise<void> {
    this.#stopListening();
    await this.#idle(this.#options.drainTimeoutMs);
    for (const reply of this.#inflight) reply.shutDown(shuttingDown());
    await this.#idle(LAST_WORDS_MS);
    this.destroy();
  }

  /** Resolves when no reply is running, at the latest after `timeoutMs`. */
  #idle(timeoutMs: number): Promise<void> {
    if (this.#inflight.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #stopListening(): void {
    if (this.#listenSocket) this.#uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = null;
  }
}

function toRecord(reply: Reply, method: string, match: Match, durationMs: number): RequestRecord {
  return {
    requestId: reply.requestId,
    method,
    route: match.kind === 'found' ? match.route.path : 'unknown',
    status: reply.status,
    bytesOut: reply.bytesOut,
    durationMs,
    outcome: reply.outcome,
    notes: reply.notes,
  };
}
