import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Test } from 'tap';
import { ChatError } from '../../src/errors.ts';

/** Listens until the test is over, then ends all connections; the port. */
export async function listen(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Polls; false when it did not come true in good time. */
export async function until(check: () => boolean, timeoutMs = 5_000): Promise<boolean> {
  const endsAt = Date.now() + timeoutMs;
  while (!check() && Date.now() < endsAt) await new Promise((resolve) => setTimeout(resolve, 5));
  return check();
}

/** The error of something that must fail. */
export async function failure(attempt: Promise<unknown>): Promise<ChatError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}
