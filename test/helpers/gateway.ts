import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

/** One call that a gateway received. */
export interface Call {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed; empty when there was none. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Events of a stream, as texts or as values to be encoded; or a status with its JSON; or silence. */
export type Reply = readonly unknown[] | { readonly status: number; readonly json: unknown } | null;

export interface GatewayOptions {
  readonly persona?: string;
  /** The answer to a conversation call, after `count` earlier ones here. */
  conversation?(call: Call, count: number): Reply;
  models?(call: Call): Reply;
}

export interface Gateway {
  readonly url: string;
  readonly calls: Call[];
  /** Those whose path ends so. */
  to(ending: string): readonly Call[];
  /** Polls until so many calls were given up by the client; false after 2 s. */
  closed(count: number): Promise<boolean>;
}

/** A backend of a few lines, which a test scripts: asks for no proof, checks nothing, remembers all. */
export async function startGateway(t: Test, options: GatewayOptions = {}): Promise<Gateway> {
  const calls: Call[] = [];
  let givenUp = 0;
  const closed = async (count: number): Promise<boolean> => {
    for (let i = 0; i < 200 && givenUp < count; i += 1) await sleep(10);
    return givenUp >= count;
  };
  const to = (ending: string): readonly Call[] => calls.filter(({ path }) => path.endsWith(ending));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { url: path = '', headers } = request;
    const call: Call = { path, headers, body: text === '' ? {} : (JSON.parse(text) as Call['body']) };
    calls.push(call);
    response.on('close', () => (givenUp += response.writableFinished ? 0 : 1));
    send(response, replyTo(call, options, to('/conversation').length - 1));
  };
  const url = await listen(
    t,
    createServer((request, response) => void answer(request, response)),
  );
  return { url, calls, to, closed };
}

function replyTo(call: Call, options: GatewayOptions, count: number): Reply {
  const notFound = { status: 404, json: { detail: 'Not Found' } };
  switch (call.path.split('/').at(-1)) {
    case 'chat-requirements':
      return { status: 200, json: { token: 'gAAAAABr', persona: options.persona ?? 'chatgpt-paid' } };
    case 'conversation':
      return options.conversation?.(call, count) ?? null;
    case 'models':
      return options.models === undefined ? notFound : options.models(call);
    default:
      return notFound;
  }
}

function send(response: ServerResponse, reply: Reply): void {
  if (reply === null) return;
  if ('status' in reply) {
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.json));
    return;
  }
  const events = reply.map((event) => (typeof event === 'string' ? event : JSON.stringify(event)));
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.end(events.map((event) => `data: ${event}\n\n`).join(''));
}

/** An outbound proxy; `targets`: what was asked of it. */
export async function startProxy(t: Test): Promise<{ readonly url: string; readonly targets: string[] }> {
  const targets: string[] = [];
  const server = createServer();
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    const target = request.url ?? '';
    targets.push(target);
    const [host = '', port = ''] = target.split(':');
    const upstream = connect({ host, port: Number(port) }, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) {
      socket.on('error', () => {}).on('close', () => [client, upstream].forEach((end) => end.destroy()));
    }
  });
  return { url: await listen(t, server), targets };
}

async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
