import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';

// An upstream, and five outbound proxies before it: two are dead, one is slow, one flaps, one is good.
// `GET /proxies` names their URLs in this order.

const ANSWER_MS = 20;
const SLOW_MS = 250;
const FLAP_MS = 900;
const HEAD_END = '\r\n\r\n';

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port at which nobody listens any more. */
async function deadPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  return port;
}

/** Speaks CONNECT; hands the answers on `delayMs` later, and is out of order while `isDown`. */
function proxyPort(delayMs: number, isDown: () => boolean): Promise<number> {
  return listen(
    createServer((client) => {
      client.on('error', () => {});
      if (isDown()) return void client.destroy();
      client.once('data', (head) => {
        const [, host = '', port = ''] = /^CONNECT ([^ :]+):(\d+) /.exec(head.toString('latin1')) ?? [];
        const target = connect(Number(port), host, () => client.write(`HTTP/1.1 200 OK${HEAD_END}`));
        join(client, target, delayMs, isDown);
      });
    }),
  );
}

function join(client: Socket, target: Socket, delayMs: number, isDown: () => boolean): void {
  const end = (): void => {
    client.destroy();
    target.destroy();
  };
  client.on('data', (chunk) => (isDown() ? end() : target.write(chunk)));
  target.on('data', (chunk) => {
    if (delayMs === 0) client.write(chunk);
    else setTimeout(() => client.write(chunk), delayMs);
  });
  for (const socket of [client, target]) socket.on('error', end).on('close', end);
}

const never = (): boolean => false;
const sometimes = (): boolean => Math.floor(Date.now() / FLAP_MS) % 2 === 0;
const ports = [
  await deadPort(),
  await deadPort(),
  await proxyPort(SLOW_MS, never),
  await proxyPort(0, sometimes),
  await proxyPort(0, never),
];
const urls = ports.map((port) => `http://127.0.0.1:${port}`);
const upstream = createHttpServer((request, response) => {
  if (request.url === '/proxies') response.end(JSON.stringify(urls));
  else setTimeout(() => response.end('answer'), ANSWER_MS);
});
process.stdout.write(`${JSON.stringify({ port: await listen(upstream) })}\n`);
