import { Link, LinkedList } from '../linked-list.ts';
import { SocketChannel } from './socket-channel.ts';
import type { SocketChannelOptions } from './socket-channel.ts';

const MAX_CHANNELS = 1_000;

type Join = (channel: SocketChannel) => void;

interface Call {
  readonly caller: string;
  readonly join: Join;
}

/** Waits for its caller's next socket, until it leaves. */
export type Waiting = Pick<Link<Call>, 'leave'>;

/** The sockets that stand, by caller, and the calls that have none and join the next of their caller. */
export class SharedChannels {
  readonly #channels = new Map<string, SocketChannel>();
  readonly #waiting = new LinkedList<Call>();

  find(caller: string): SocketChannel | null {
    // Nearly always, and a caller's name is as long as his token: it takes time to be hashed.
    if (this.#channels.size === 0) return null;
    return this.#channels.get(caller) ?? null;
  }

  /** Null: too many are open; then each turn gets its own. */
  open(caller: string, options: Omit<SocketChannelOptions, 'onClosed'>): SocketChannel | null {
    if (this.#channels.size >= MAX_CHANNELS) return null;
    const onClosed = (): void => void this.#channels.delete(caller);
    const channel = new SocketChannel({ ...options, onClosed });
    this.#channels.set(caller, channel);
    for (let link = this.#waiting.first; link !== null;) {
      const { value, after } = link;
      if (value.caller === caller) {
        link.leave();
        value.join(channel);
      }
      link = after;
    }
    return channel;
  }

  /** Calls `join` once, when a socket of `caller` is opened. Every waiting must be left. */
  await(caller: string, join: Join): Waiting {
    const link = new Link({ caller, join });
    this.#waiting.append(link);
    return link;
  }
}
