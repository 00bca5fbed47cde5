import { createServer as createHttpServer } from 'node:http';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

// The least that a proxy does: KIND `http`, `https` (with KEY and CERT in PEM) or `socks5`. It trusts its
// callers to say each step of a handshake in one piece.

const SERVERS: Readonly<Record<string, () => Server>> = {
  http: () => tunnels(createHttpServer()),
  https: () => tunnels(createHttpsServer({ key: process.env['KEY'] ?? '', cert: process.env['CERT'] ?? '' })),
  socks5: () => createServer(greet),
};

function tunnels(server: HttpServer): HttpServer {
  return server.on('connect', (request, client: Socket) => {
    const { hostname, port } = new URL(`http://${request.url}`);
    join(client, hostname, Number(port), 'HTTP/1.1 200 OK\r\n\r\n');
  });
}

function greet(client: Socket): void {
  client.once('data', () => {
    client.write(Buffer.from([5, 0]));
    client.once('data', (wanted: Buffer) => {
      client.pause();
      const host = wanted.subarray(4, 8).join('.');
      join(client, host, wanted.readUInt16BE(8), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    });
  });
}

function join(client: Socket, host: string, port: number, welcome: string | Buffer): void {
  const target = connect({ host, port, noDelay: true }, () => {
    client.write(welcome);
    target.pipe(client).pipe(target);
  });
  target.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.on('error', () => target.destroy()).on('close', () => target.destroy());
}

const server = SERVERS[process.env['KIND'] ?? '']?.();
server?.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
