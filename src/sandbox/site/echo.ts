import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

export const ECHO_PATH = '/site/echo';

export interface Echo {
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

/** A web socket that says back what it hears. */
export function createEcho(): Echo {
  const server = new WebSocketServer({ noServer: true });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (message, binary) => socket.send(message, { binary }));
  });
  return {
    accept(request, socket, head) {
      server.handleUpgrade(request, socket, head, (opened) => server.emit('connection', opened, request));
    },
    close() {
      for (const socket of server.clients) socket.terminate();
    },
  };
}
