import { dispatch, shuttingDown } from './dispatch.ts';
import { healthRoutes } from './health-routes.ts';
import { Reply } from './reply.ts';
import type { Outcome } from './reply.ts';
import { takeSnapshot } from './request.ts';
import { createRouter } from './router.ts';
import type { Match, Route } from './router.ts';
import { loadUws } from './uws.ts';
import type { HttpRequest, HttpResponse, ListenSocket } from './uws.ts';

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
  readonly fields: Readonly<Record<string, unknown>>;
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
  const { uws, nativeBuild } = loadUws();
  const app = uws.App();
  const inflight = new Set<Reply>();
  let listenSocket: ListenSocket | null = null;
  let draining: Promise<void> | null = null;
  let destroyed = false;
  let onIdle: (() => void) | null = null;

  const reasons = (): readonly string[] => [...(draining ? ['draining'] : []), ...options.unreadyReasons()];
  const route = createRouter([...healthRoutes(reasons), ...options.routes], options.prefix);

  const accept = (res: HttpResponse, req: HttpRequest): void => {
    const match = route(req.getMethod().toUpperCase(), req.getUrl());
    const request = takeSnapshot(req, res, match.kind === 'found' ? match.parameter : null);
    const startedAt = performance.now();
    const onListenerError = (error: unknown): void => options.onInternalError(request.id, error);
    const reply = new Reply(res, {
      requestId: request.id,
      method: request.method,
      closesConnection: () => draining !== null,
      onListenerError,
      onEnd: () => {
        inflight.delete(reply);
        if (inflight.size === 0) onIdle?.();
        options.onRequestEnd(toRecord(reply, request.method, match, performance.now() - startedAt));
      },
    });
    inflight.add(reply);
    dispatch(match, request, reply, draining !== null, onListenerError);
    reply.sealBody();
  };

  /** An exception that reached native code would end the process. */
  const onRequest = (res: HttpResponse, req: HttpRequest): void => {
    try {
      accept(res, req);
    } catch (error) {
      options.onInternalError('none', error);
      res.close();
    }
  };

  /** Resolves when no reply is running, at the latest after `timeoutMs`. */
  const idle = (timeoutMs: number): Promise<void> =>
    new Promise((resolve) => {
      if (inflight.size === 0) return resolve();
      const timer = setTimeout(resolve, timeoutMs);
      onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const stopListening = (): void => {
    if (listenSocket) uws.us_listen_socket_close(listenSocket);
    listenSocket = null;
  };

  const destroy = (): void => {
    if (destroyed) return;
    destroyed = true;
    stopListening();
    for (const reply of inflight) reply.cut('shutdown');
    app.close();
  };

  const runDrain = async (): Promise<void> => {
    stopListening();
    await idle(options.drainTimeoutMs);
    for (const reply of inflight) reply.shutDown(shuttingDown());
    await idle(LAST_WORDS_MS);
    destroy();
  };

  app.any('/*', onRequest);

  return {
    nativeBuild,
    get inflight() {
      return inflight.size;
    },
    listen: () =>
      new Promise((resolve, reject) => {
        const { host, port } = options;
        // Without it a second process on the same port would silently share its connections.
        app.listen(host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
          if (socket === false) return reject(new Error(`cannot listen on ${host}:${port}; is it in use?`));
          listenSocket = socket;
          resolve({ port: uws.us_socket_local_port(socket) });
        });
      }),
    drain: () => (draining ??= runDrain()),
    destroy,
  };
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
    fields: reply.notes,
  };
}
