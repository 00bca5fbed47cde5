import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** How an outbound proxy fails its callers. */
export type ProxyFault = 'says nothing' | 'resets' | 'asks for a password' | 'speaks no HTTP';

/** An HTTP proxy that never opens a tunnel; its port. */
export async function startBrokenProxy(t: Test, fault: ProxyFault): Promise<number> {
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (fault === 'resets') socket.resetAndDestroy();
      if (fault === 'asks for a password') socket.end('HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n');
      if (fault === 'speaks no HTTP') socket.end('220 mail.example ESMTP\r\n\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}
