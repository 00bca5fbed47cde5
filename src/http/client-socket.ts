import { Link, LinkedList } from '../linked-list.ts';
import type { Reply } from './reply.ts';
import type { NativeSocket, SocketBehavior, UpgradeContext } from './uws.ts';

/** What a web socket's owner hears. `onClose` is called exactly once, last. */
export interface SocketListener {
  onMessage(message: Buffer, isBinary: boolean): void;
  /** Sending may go on after `send` returned false. */
  onDrain(): void;
  /** 1005: without a code; 1006: without a farewell. */
  onClose(code: number, reason: Buffer): void;
}

/** Null: the client has left in the meantime. An empty protocol is none. */
export type AcceptSocket = (protocol: string, listener: SocketListener) => ClientSocket | null;

interface Opening {
  readonly key: string;
  readonly protocol: string;
  readonly context: UpgradeContext;
  readonly listener: SocketListener;
  /** Where it is found as long as it is open. */
  readonly open: LinkedList<ClientSocket>;
}

/** The native code holds a message whole. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A client that does not even answer pings for so long is gone. */
const SILENCE_S = 120;

/** Native `send`: taken, yet it lies in memory. */
const HELD = 0;

/** One client's web socket, and the only holder of the native one, which must not be touched after its end. */
export class ClientSocket {
  #native: NativeSocket | null = null;
  readonly #listener: SocketListener;
  readonly #open: LinkedList<ClientSocket>;
  readonly #place = new Link<ClientSocket>(this);

  private constructor(listener: SocketListener, open: LinkedList<ClientSocket>) {
    this.#listener = listener;
    this.#open = open;
  }

  static open(reply: Reply, { key, protocol, context, listener, open }: Opening): ClientSocket | null {
    const socket = new ClientSocket(listener, open);
    const isOpen = reply.upgrade((res) => res.upgrade({ socket }, key, protocol, '', context));
    return isOpen ? socket : null;
  }

  /** False: it lies in memory; send no more until `onDrain`. */
  send(message: Uint8Array, isBinary: boolean): boolean {
    return this.#native === null || this.#native.send(message, isBinary) !== HELD;
  }

  /** Says farewell. Code null: none. */
  end(code: number | null, reason: string): void {
    if (code === null) this.#native?.end();
    else this.#native?.end(code, reason);
  }

  /** Ends it without a farewell. */
  cut(): void {
    this.#native?.close();
  }

  opened(native: NativeSocket): void {
    this.#native = native;
    this.#open.append(this.#place);
  }

  received(message: ArrayBuffer, isBinary: boolean): void {
    // Copied: the native memory is taken back when this returns.
    this.#listener.onMessage(Buffer.from(Buffer.from(message)), isBinary);
  }

  drained(): void {
    this.#listener.onDrain();
  }

  closed(code: number, reason: ArrayBuffer): void {
    this.#native = null;
    this.#place.leave();
    this.#listener.onClose(code, Buffer.from(Buffer.from(reason)));
  }
}

/** No exception may pass through native code: `onError` gets them. */
export function createSocketBehavior({
  upgrade,
  onError,
}: {
  readonly upgrade: SocketBehavior['upgrade'];
  readonly onError: (error: unknown) => void;
}): SocketBehavior {
  const tell = (native: NativeSocket, act: (socket: ClientSocket) => void): void => {
    try {
      act((native.getUserData() as { readonly socket: ClientSocket }).socket);
    } catch (error) {
      onError(error);
    }
  };
  return {
    maxPayloadLength: MAX_MESSAGE_BYTES,
    maxBackpressure: 0,
    idleTimeout: SILENCE_S,
    upgrade,
    open: (native) => tell(native, (socket) => socket.opened(native)),
    message: (native, message, isBinary) => tell(native, (socket) => socket.received(message, isBinary)),
    drain: (native) => tell(native, (socket) => socket.drained()),
    close: (native, code, reason) => tell(native, (socket) => socket.closed(code, reason)),
  };
}
