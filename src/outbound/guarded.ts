import type { Socket } from 'node:net';

/** Resolves at `event`, rejects when the socket fails or closes before. */
export function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}

/** Ends the socket when the step fails or the signal fires, which makes the step fail. */
export async function guarded<T>(socket: Socket, signal: AbortSignal, step: Promise<T>): Promise<T> {
  // Between two steps nobody else listens, and an unheard 'error' would end the process.
  socket.on('error', () => {});
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await step;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
