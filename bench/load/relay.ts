import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

// The least that a proxy in Node.js does: bytes from one connection to another, nothing read or changed.

const upstream = new URL(process.env['UPSTREAM'] ?? '');
const agent = new Agent({ keepAlive: true });

const server = createServer((incoming, outgoing) => {
  const options = { agent, method: incoming.method, path: incoming.url, headers: incoming.headers };
  const asked = request(upstream, options, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] });
    answer.pipe(outgoing);
  });
  asked.on('error', () => outgoing.destroy());
  incoming.pipe(asked);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
