import type { Socket } from 'node:net';

/**
 * Hands what arrives to the listener of 'readable' at once, who reads all of it, instead of through the
 * socket's queue and two ticks. What the listener leaves, and all that comes while the queue is not empty,
 * goes through the queue as ever, and stops the socket when it is full.
 */
export function readDirectly(socket: Socket): Socket {
  const push = socket.push.bind(socket);
  const read = socket.read.bind(socket);
  let arrived: Buffer | null = null;
  let isArriving = false;
  socket.push = (chunk: Buffer | null) => {
    if (chunk === null || socket.readableLength > 0 || isArriving) return push(chunk);
    arrived = chunk;
    isArriving = true;
    socket.emit('readable');
    isArriving = false;
    const left = arrived;
    arrived = null;
    return left === null || socket.destroyed || push(left);
  };
  socket.read = (size?: number) => {
    if (!isArriving || size !== undefined) return read(size);
    const chunk = arrived;
    arrived = null;
    return chunk;
  };
  return socket;
}
