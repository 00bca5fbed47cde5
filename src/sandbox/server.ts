import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAccountLedger } from './accounts/account-ledger.ts';
import { createGrants } from './accounts/grants.ts';
import { createClearanceLedger } from './clearance-ledger.ts';
import { CONTROL_PREFIX, createControlRoutes } from './control.ts';
import { createConversationStore } from './conversation-store.ts';
import { readBody, send, sendJson, type Body } from './exchange.ts';
import { createFileStore } from './files/file-store.ts';
import { createRandom } from './random.ts';
import { createRecorder, type RequestRecord } from './recorder.ts';
import { refusal, RefusedError } from './refusals.ts';
import { createRouter, type Router } from './router.ts';
import { createBackendRoutes } from './routes.ts';
import { DEFAULT_SCENARIO, type Scenario } from './scenario.ts';
import { createScenarioList } from './scenario-list.ts';
import { createEcho, ECHO_PATH } from './site/echo.ts';
import { createSocketHub } from './sockets/socket-hub.ts';
import type { World } from './world.ts';

export interface SandboxOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Refuses what the real backend would refuse; true unless said otherwise. */
  readonly strict?: boolean;
  /** Epoch milliseconds; the wall clock unless given. */
  readonly now?: () => number;
  /** The same seed gives the same ids, tokens and challenges in the same order. */
  readonly seed?: number;
  /** What happens when no scenario is set, as far as it differs from DEFAULT_SCENARIO. */
  readonly defaults?: Partial<Scenario>;
  readonly maxMessageChars?: number;
  /** How many requests can be read back. */
  readonly maxRecords?: number;
}

export interface Sandbox {
  /** Resolves when connections are accepted; rejects when the address is taken. */
  listen(): Promise<{ port: number }>;
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 128 * 1024 * 1024;
const MAX_STORED_BYTES = 512 * 1024 * 1024;
const MAX_CONVERSATIONS = 10_000;
const MAX_ACCOUNTS = 20_000;
const KEEP_ALIVE_MS = 75_000;

/** A stand-in for the ChatGPT web backend: strict about what it is sent, obedient in what it answers. */
export function createSandbox(options: SandboxOptions): Sandbox {
  const world = createWorld(options);
  const router = createRouter([...createBackendRoutes(world), ...createControlRoutes(world)]);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void answer(world, router, request, response);
  });
  const echo = createEcho();
  server.on('upgrade', (request, socket, head) => {
    const endpoint = request.url?.split('?', 1)[0] === ECHO_PATH ? echo : world.sockets;
    endpoint.accept(request, socket, head);
  });
  return {
    listen: () => listen(server, options),
    close() {
      echo.close();
      return close(server, world);
    },
  };
}

function createWorld(options: SandboxOptions): World {
  const now = options.now ?? Date.now;
  const random = createRandom(options.seed ?? 1);
  return {
    strict: options.strict ?? true,
    maxMessageChars: options.maxMessageChars ?? 1_000_000,
    now,
    random,
    scenarios: createScenarioList({ ...DEFAULT_SCENARIO, ...options.defaults }),
    recorder: createRecorder(now, options.maxRecords ?? 1_000),
    ledger: createClearanceLedger(now),
    accounts: createAccountLedger(now, MAX_ACCOUNTS),
    grants: createGrants(),
    conversations: createConversationStore(MAX_CONVERSATIONS),
    files: createFileStore(MAX_STORED_BYTES),
    sockets: createSocketHub(now, random),
  };
}

async function listen(server: Server, { host, port }: SandboxOptions): Promise<{ port: number }> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { port: (server.address() as AddressInfo).port };
}

async function close(server: Server, world: World): Promise<void> {
  world.sockets.close();
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.once('close', resolve));
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer(
  world: World,
  router: Router,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A client that leaves while it is written to raises an error here; its record tells of it.
  response.on('error', () => {});
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const record = path.startsWith(CONTROL_PREFIX)
    ? world.recorder.ignore(request)
    : world.recorder.begin(request, response);
  try {
    await dispatch(router, request, response, path, record);
  } catch (error) {
    if (!(error instanceof RefusedError)) record.warnings.push(`the sandbox failed: ${String(error)}`);
    answerFailure(response, error);
  }
}

async function dispatch(
  router: Router,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  record: RequestRecord,
): Promise<void> {
  const route = router(request.method ?? 'GET', path);
  const body = await readBody(request, MAX_BODY_BYTES);
  record.body = body === null ? null : toShown(path, body);
  if (route === undefined) return sendJson(response, 404, { detail: 'Not Found' });
  if (body === null) return sendJson(response, 413, { detail: 'Request Entity Too Large' });
  const authorization = request.headers.authorization ?? '';
  const query = new URLSearchParams(record.query);
  await route.handler({ request, response, path, params: route.params, query, authorization, body, record });
}

function toShown(path: string, body: Body): unknown {
  return path.startsWith('/blob/') ? `${body.bytes.length} bytes` : (body.json ?? body.text);
}

function answerFailure(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const facts = { ray: '', clearsInS: 0, model: '' };
  send(response, error instanceof RefusedError ? error.refusal : refusal('server_error', facts));
}
