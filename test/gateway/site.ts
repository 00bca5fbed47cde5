import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server,
  ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { Env } from '../../src/config.ts';
import { startProgram } from '../helpers/program.ts';
import type { Program } from '../helpers/program.ts';

/** A web site of the test's own. */
export interface Site {
  readonly origin: string;
  readonly server: Server;
  /** Open connections. */
  readonly connections: () => number;
}

export async function startSite(
  t: Test,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Site> {
  const server = createServer(handler);
  let open = 0;
  server.on('connection', (socket) => {
    open += 1;
    socket.on('error', () => {}).on('close', () => (open -= 1));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, server, connections: () => open };
}

export function startGateway(t: Test, { origin }: Site, env: Env = {}): Promise<Program> {
  return startProgram(t, { CHATGPT_BASE_URL: origin, ...env });
}

export interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly complete: boolean;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** To the letter: the path is not tidied, redirects are not followed, nothing is decoded. */
export function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => void chunks.push(chunk));
      response.on('error', () => {});
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          complete: response.complete,
        }),
      );
    });
    request.end(body);
  });
}

export function json(seen: Seen): Record<string, unknown> {
  return JSON.parse(seen.body.toString()) as Record<string, unknown>;
}
