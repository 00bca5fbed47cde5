import { Link, LinkedList } from '../linked-list.ts';
import { findAmbiguity } from './ambiguity.ts';
import { ClientSocket, createSocketBehavior } from './client-socket.ts';
import { dispatch, shuttingDown } from './dispatch.ts';
import type { Fallback } from './fallback.ts';
import { healthRoutes } from './health-routes.ts';
import type { ReadyFigures } from './health-routes.ts';
import { Reply } from './reply.ts';
import type { Outcome, ReplyNotes } from './reply.ts';
import { takeSnapshot } from './request.ts';
import type { RequestSnapshot } from './request.ts';
import { createRouter } from './router.ts';
import type { Match, Route, Router } from './router.ts';
import { loadUws } from './uws.ts';
import type { HttpRequest, HttpResponse, ListenSocket, TemplatedApp, UpgradeContext, Uws } from './uws.ts';

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
  /** For paths that no route has; absent: they answer 404. */
  readonly fallback?: Fallback;
  /** How long running replies may take to finish once draining. */
  readonly drainTimeoutMs: number;
  /** Why `/readyz` should say no, beside draining. */
  unreadyReasons(): readonly string[];
  /** What `/readyz` tells beside. */
  readyFigures(): ReadyFigures;
  onRequestEnd(record: RequestRecord): void;
  /** Is called in place of handling a request, and has to call `handle`, at once; absent: nothing lies between. */
  readonly around?: (route: string, request: RequestSnapshot, reply: Reply, handle: () => void) => void;
  onInternalError(requestId: string, error: unknown): void;
}

export interface Server {
  /** Which native binary serves. */
  readonly nativeBuild: string;
  /** Requests whose answer is not complete, and open web sockets. */
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

/** What a web socket is closed with when its server goes away. */
const GOING_AWAY = 1001;

export function createServer(options: ServerOptions): Server {
  return new UwsServer(options);
}

class UwsServer implements Server {
  readonly nativeBuild: string;
  readonly #options: ServerOptions;
  readonly #uws: Uws;
  readonly #app: TemplatedApp;
  readonly #route: Router;
  readonly #fallbackRoute: Match | null;
  readonly #inflight = new LinkedList<Reply>();
  readonly #sockets = new LinkedList<ClientSocket>();
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
      [
        ...healthRoutes(
          () => this.#unreadyReasons(),
          () => options.readyFigures(),
        ),
        ...options.routes,
      ],
      options.prefix,
    );
    this.#fallbackRoute = options.fallback === undefined ? null : toMatch(options.fallback);
    this.#app = uws
      .App()
      .ws(
        '/*',
        createSocketBehavior({
          upgrade: (res, req, context) => this.#onUpgrade(res, req, context),
          onError: (error) => options.onInternalError('none', error),
        }),
      )
      .any('/*', (res, req) => this.#onRequest(res, req));
  }

  get inflight(): number {
    return this.#inflight.size + this.#sockets.size;
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
    for (const socket of this.#sockets) socket.cut();
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

  /** A browser that wants a web socket where there is none is answered as any other. */
  #onUpgrade(res: HttpResponse, req: HttpRequest, context: UpgradeContext): void {
    try {
      const { fallback } = this.#options;
      const isFallback = this.#find(req) === this.#fallbackRoute;
      if (fallback === undefined || !isFallback || this.#draining !== null) return this.#accept(res, req);
      const key = req.getHeader('sec-websocket-key');
      this.#accept(res, req, (request, reply) =>
        fallback.tunnel(request, reply, (protocol, listener) =>
          ClientSocket.open(reply, { key, protocol, context, listener, open: this.#sockets }),
        ),
      );
    } catch (error) {
      this.#options.onInternalError('none', error);
      res.close();
    }
  }

  #find(req: HttpRequest): Match {
    const path = req.getUrl();
    const match = this.#route(req.getMethod().toUpperCase(), path);
    if (match.kind !== 'unknown' || this.#fallbackRoute === null) return match;
    return this.#options.fallback?.takes(path) ? this.#fallbackRoute : match;
  }

  #accept(res: HttpResponse, req: HttpRequest, instead: Route['handler'] | null = null): void {
    const found = this.#find(req);
    const match: Match =
      instead !== null && found.kind === 'found'
        ? { ...found, route: { ...found.route, handler: instead } }
        : found;
    const request = takeSnapshot(req, res, match.kind === 'found' ? match.parameter : null);
    const ambiguity = findAmbiguity(request);
    // What follows chunks is read leniently by the native server: nothing else may come on that connection.
    const isLast = ambiguity !== null || request.header('transfer-encoding') !== undefined;
    const startedAt = performance.now();
    const onListenerError = (error: unknown): void => this.#options.onInternalError(request.id, error);
    const reply = new Reply(res, {
      requestId: request.id,
      method: request.method,
      closesConnection: () => isLast || this.#draining !== null,
      onListenerError,
      onEnd: (ended) => {
        place.leave();
        this.#ended(ended, request.method, match, performance.now() - startedAt);
      },
    });
    const place = new Link(reply);
    this.#inflight.append(place);
    // Not at once: a request in the same packet would still be answered, behind a late answer it is cut off.
    if (ambiguity !== null) return void setImmediate(() => reply.fail(ambiguity));
    const { around } = this.#options;
    const handle = (): void => dispatch(match, request, reply, this.#draining !== null, onListenerError);
    if (around === undefined) handle();
    else around(routeOf(match), request, reply, handle);
    reply.sealBody();
  }

  #ended(reply: Reply, method: string, match: Match, durationMs: number): void {
    if (this.#inflight.size === 0) this.#onIdle?.();
    this.#options.onRequestEnd(toRecord(reply, method, match, durationMs));
  }

  #unreadyReasons(): readonly string[] {
    const reasons = this.#options.unreadyReasons();
    return this.#draining ? ['draining', ...reasons] : reasons;
  }

  async #runDrain(): Promise<void> {
    this.#stopListening();
    for (const socket of this.#sockets) socket.end(GOING_AWAY, '');
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

/** In the log and in the metrics the fallback is one route, whatever the path. */
function toMatch(fallback: Fallback): Match {
  const handler: Route['handler'] = (request, reply) => fallback.handler(request, reply);
  const route = { method: '*', path: fallback.name, takesOptions: true, handler };
  return { kind: 'found', route, parameter: null };
}

function routeOf(match: Match): string {
  return match.kind === 'found' ? match.route.path : 'unknown';
}

function toRecord(reply: Reply, method: string, match: Match, durationMs: number): RequestRecord {
  return {
    requestId: reply.requestId,
    method,
    route: routeOf(match),
    status: reply.status,
    bytesOut: reply.bytesOut,
    durationMs,
    outcome: reply.outcome,
    notes: reply.notes,
  };
}
