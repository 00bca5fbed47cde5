import { createHash } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Random } from '../random.ts';
import { createConnection, type Connection, type ConnectionState } from './connection.ts';

/** The web sockets of all callers, as Azure's Web PubSub keeps them. */
export interface SocketHub {
  /** The address under which an owner can listen; the same until it is too old. */
  register(host: string, owner: string): string;
  /** An HTTP request that wants to become a web socket. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Resolves to false when nobody came in time. */
  whenListening(owner: string, withinMs: number): Promise<boolean>;
  /** Resolves when the owner's last connection is over. */
  whenGone(owner: string): Promise<void>;
  publish(owner: string, data: object, maxUnacked: number): void;
  /** Takes the owner's sockets away; the connections can be taken up again. */
  drop(owner: string): void;
  /** Takes them away for good. */
  forget(owner: string): void;
  state(): readonly ConnectionState[];
  close(): void;
}

export const URL_LIFETIME_S = 3_600;
const PATH = '/client/hubs/conversations';
const SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1';
const COME_BACK_MS = 30_000;
const POLICY_VIOLATION = 1008;

interface Ticket {
  readonly owner: string;
  readonly expiresAtMs: number;
}

export function createSocketHub(now: () => number, random: Random): SocketHub {
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  const tickets = new Map<string, Ticket>();
  const connections = new Map<string, Connection>();
  const waiting = new Set<{ readonly holds: () => boolean; readonly resolve: () => void }>();

  const of = (owner: string): readonly Connection[] =>
    [...connections.values()].filter((connection) => connection.owner === owner);
  const changed = (): void => {
    for (const wait of waiting) {
      if (!wait.holds()) continue;
      waiting.delete(wait);
      wait.resolve();
    }
  };
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      waiting.add({ holds, resolve });
      changed();
    });
  const remove = (id: string): void => {
    connections.delete(id);
    changed();
  };

  const connect = (owner: string, socket: WebSocket): void => {
    const id = random.hex(22);
    const onLost = (clean: boolean): void => {
      if (clean) return remove(id);
      setTimeout(() => {
        if (connections.get(id)?.state().connected === false) remove(id);
      }, COME_BACK_MS).unref();
    };
    const connection = createConnection({ id, owner, reconnectionToken: random.hex(32), onLost });
    connections.set(id, connection);
    connection.attach(socket);
    changed();
  };

  return {
    register(host, owner) {
      for (const [token, ticket] of tickets) {
        if (ticket.expiresAtMs <= now()) tickets.delete(token);
        else if (ticket.owner === owner) return toUrl(host, token);
      }
      const token = createHash('sha256')
        .update(`${owner} ${random.hex(32)}`)
        .digest('hex');
      tickets.set(token, { owner, expiresAtMs: now() + URL_LIFETIME_S * 1000 });
      return toUrl(host, token);
    },
    accept(request, socket, head) {
      socket.on('error', () => {});
      const url = new URL(request.url ?? '/', 'http://sandbox');
      const ticket = tickets.get(url.searchParams.get('access_token') ?? '');
      const resumed = url.searchParams.get('awps_connection_id');
      if (url.pathname !== PATH) return refuse(socket, 404);
      if (resumed === null && !(ticket !== undefined && ticket.expiresAtMs > now()))
        return refuse(socket, 401);
      if (!asksForSubprotocol(request)) return refuse(socket, 400);
      server.handleUpgrade(request, socket, head, (opened) => {
        if (resumed === null) return connect(ticket?.owner ?? '', opened);
        const connection = connections.get(resumed);
        if (connection?.reconnectionToken === url.searchParams.get('awps_reconnection_token')) {
          connection?.attach(opened);
        } else opened.close(POLICY_VIOLATION, 'the connection is gone');
      });
    },
    async whenListening(owner, withinMs) {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        changed();
      }, withinMs).unref();
      await until(() => late || of(owner).length > 0);
      clearTimeout(timer);
      return !late;
    },
    whenGone: (owner) => until(() => of(owner).length === 0),
    publish(owner, data, maxUnacked) {
      for (const connection of of(owner)) connection.publish(data, maxUnacked);
    },
    drop(owner) {
      for (const connection of of(owner)) connection.drop();
    },
    forget(owner) {
      for (const connection of of(owner)) {
        connections.delete(connection.id);
        connection.drop();
      }
      changed();
    },
    state: () => [...connections.values()].map((connection) => connection.state()),
    close() {
      for (const connection of connections.values()) connection.drop();
      for (const socket of server.clients) socket.terminate();
      connections.clear();
      changed();
    },
  };
}

function toUrl(host: string, token: string): string {
  return `ws://${host}${PATH}?access_token=${token}`;
}

function asksForSubprotocol({ headers }: IncomingMessage): boolean {
  const asked = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return asked.includes(SUBPROTOCOL);
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
