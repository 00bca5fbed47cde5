import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { guarded, opened } from './guarded.ts';

/** What makes handshakes safe, and later ones short. */
export interface Trust {
  /** One for all: reading the authorities anew each time is most of a handshake's work. */
  readonly context: () => SecureContext;
  /** By server, the one seen last at the end. Those of other exits would tell that we are the same. */
  readonly sessions: Map<string, Buffer>;
}

const MAX_SESSIONS = 256;

export function createTrust(ca: readonly string[] | null): Trust {
  let context: SecureContext | null = null;
  return {
    context: () => (context ??= createSecureContext(ca === null ? {} : { ca: [...ca] })),
    sessions: new Map(),
  };
}

function remember({ sessions }: Trust, server: string, session: Buffer): void {
  sessions.delete(server);
  sessions.set(server, session);
  const [oldest] = sessions.keys();
  if (sessions.size > MAX_SESSIONS && oldest !== undefined) sessions.delete(oldest);
}

export function openTls(
  under: Socket,
  { host, port }: { readonly host: string; readonly port: number },
  trust: Trust,
  signal: AbortSignal,
): Promise<Socket> {
  const server = `${host} ${port}`;
  const session = trust.sessions.get(server);
  const socket = connect({
    socket: under,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: ['http/1.1'],
    secureContext: trust.context(),
    ...(session === undefined ? {} : { session }),
  });
  socket.on('session', (next) => remember(trust, server, next));
  return guarded(socket, signal, opened(socket, 'secureConnect'));
}
