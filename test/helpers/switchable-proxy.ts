import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';

/** `refuses`: nobody listens. `resets`: the connection breaks on the question. `slow`: each tunnel takes its time. */
export type ProxyMood = 'well' | 'slow' | 'silent' | 'resets' | 'refuses';

export interface SwitchableProxy {
  /** With a user and a password. */
  readonly url: string;
  /** Tunnels asked for, also in vain; while it refuses, nobody counts. */
  readonly asked: number;
  /** Tunnels that opened. */
  readonly opened: number;
  /** From the next connection on; those that stand break, unless it is well or slow then. */
  become(mood: ProxyMood): Promise<void>;
}

/** What must not be seen anywhere. */
export const PROXY_PASSWORD = 'proxy-pass-canary';

const SLOW_MS = 120;

/** An HTTP proxy whose mood the test sets. `from`: the loopback address that backends see. */
export async function startSwitchableProxy(
  t: Test,
  first: ProxyMood = 'well',
  from = '127.0.0.1',
): Promise<SwitchableProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer().on('connection', keep);
  let mood: ProxyMood = 'well';
  let asked = 0;
  let opened = 0;
  const open = (target: string, client: Socket): void => {
    const [host = '', port = ''] = target.split(':');
    const upstream = connect({ host, port: Number(port), localAddress: from });
    keep(upstream);
    upstream.once('connect', () => {
      opened += 1;
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.once('close', () => client.destroy());
    client.once('close', () => upstream.destroy());
  };
  server.on('connect', ({ url = '' }: IncomingMessage, client: Socket) => {
    asked += 1;
    if (mood === 'silent') return;
    if (mood === 'resets') client.resetAndDestroy();
    else setTimeout(() => open(url, client), mood === 'slow' ? SLOW_MS : 0);
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const breakAll = (): void => sockets.forEach((socket) => socket.destroy());
  t.teardown(() => {
    server.close();
    breakAll();
  });
  const proxy: SwitchableProxy = {
    url: `http://user:${PROXY_PASSWORD}@127.0.0.1:${port}`,
    get asked() {
      return asked;
    },
    get opened() {
      return opened;
    },
    async become(next) {
      if (next === mood) return;
      if (mood === 'refuses') await listen(port);
      mood = next;
      if (next === 'well' || next === 'slow') return;
      if (next === 'refuses') server.close();
      breakAll();
    },
  };
  await proxy.become(first);
  return proxy;
}
