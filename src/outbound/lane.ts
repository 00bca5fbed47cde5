import type { Socket } from 'node:net';
import { Link, LinkedList } from '../linked-list.ts';
import { createDial } from './dial.ts';
import type { Dial, DialOptions } from './dial.ts';
import { createTraffic } from './route.ts';
import type { Traffic } from './route.ts';

/** How one exit was used since the start. */
export interface ExitStats extends Readonly<Traffic> {
  readonly exit: string;
  /** Connections that stand now. */
  readonly open: number;
  /** Connections made, each with all that it takes: lookup, TCP, the proxy's handshake, TLS. */
  readonly handshakes: number;
}

/** An exit's dialling, counted. */
export interface Lane {
  readonly dial: Dial;
  /** Counted by the routes that use the exit. */
  readonly traffic: Traffic;
  stats(): ExitStats;
  /** Ends every connection. */
  destroy(): void;
}

export function createLane(exit: string, options: DialOptions): Lane {
  const dialOnly = createDial(options);
  const traffic = createTraffic();
  const open = new LinkedList<Socket>();
  let handshakes = 0;
  return {
    traffic,
    async dial(target, signal) {
      const socket = await dialOnly(target, signal);
      handshakes += 1;
      const place = new Link(socket);
      open.append(place);
      socket.once('close', () => place.leave());
      return socket;
    },
    stats: () => ({ exit, open: open.size, handshakes, ...traffic }),
    destroy() {
      for (const socket of open) socket.destroy();
    },
  };
}
