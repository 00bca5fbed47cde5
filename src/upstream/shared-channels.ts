import { SocketChannel } from './socket-channel.ts';
import type { SocketChannelOptions } from './socket-channel.ts';

const MAX_CHANNELS = 1_000;

type Join = (channel: SocketChannel) => void;

/** The sockets that stand, by caller, and the calls that have none and join the next of their caller. */
export class SharedChannels {
  readonly #channels = new Map<string, SocketChannel>();
  readonly #waiting = new Map<string, Set<Join>>();

  find(caller: string): SocketChannel | null {
    return this.#channels.get(caller) ?? null;
  }

  /** Null: too many are open; then each turn gets its own. */
  open(caller: string, options: Omit<SocketChannelOptions, 'onClosed'>): SocketChannel | null {
    if (this.#channels.size >= MAX_CHANNELS) return null;
    const onClosed = (): void => void this.#channels.delete(caller);
    const channel = new SocketChannel({ ...options, onClosed });
    this.#channels.set(caller, channel);
    for (const join of this.#waiting.get(caller) ?? []) join(channel);
    this.#waiting.delete(caller);
    return channel;
  }

  /** Calls `join` once, when a socket of `caller` is opened, unless the function returned is called before. */
  await(caller: string, join: Join): () => void {
    const waiting = this.#waiting.get(caller) ?? new Set();
    this.#waiting.set(caller, waiting.add(join));
    return () => {
      waiting.delete(join);
      if (waiting.size === 0 && this.#waiting.get(caller) === waiting) this.#waiting.delete(caller);
    };
  }
}
