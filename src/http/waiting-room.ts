import { ChatError } from '../errors.ts';
import { Link, LinkedList } from '../linked-list.ts';

export interface WaitingRoomOptions {
  /** How many may be inside at once, MAX_INFLIGHT. */
  readonly places: number;
  /** How many may wait for a place, MAX_QUEUE; one more is refused. */
  readonly maxWaiting: number;
  /** QUEUE_TIMEOUT_MS. */
  readonly timeoutMs: number;
}

/** A place inside, or one in the queue. */
export interface Ticket {
  /** Null: inside already. Rejects with `proxy_overloaded` when no place came free in time. */
  readonly entered: Promise<void> | null;
  /** Gives back whichever place it is. Idempotent; must be called however the request ends. */
  leave(): void;
}

/** Lets so many in at once, the others in the order in which they came. */
export interface WaitingRoom {
  readonly inside: number;
  readonly waiting: number;
  /** Throws `proxy_overloaded` when the queue is full too. */
  enter(): Ticket;
  /** Whoever waits is refused with the error; those inside go on. */
  dismiss(error: ChatError): void;
}

type State = 'waiting' | 'inside' | 'gone';

interface Waiter {
  admit(): void;
  refuse(error: ChatError): void;
}

export function createWaitingRoom({ places, maxWaiting, timeoutMs }: WaitingRoomOptions): WaitingRoom {
  const queue = new LinkedList<Waiter>();
  let inside = 0;

  function admitNext(): void {
    if (inside < places) queue.first?.value.admit();
  }

  function enterNow(): Ticket {
    inside += 1;
    let state: State = 'inside';
    return {
      entered: null,
      leave() {
        if (state === 'gone') return;
        state = 'gone';
        inside -= 1;
        admitNext();
      },
    };
  }

  function queueUp(): Ticket {
    let state: State = 'waiting';
    let onAdmit = (): void => {};
    let onGiveUp = (_error: ChatError): void => {};
    const entered = new Promise<void>((resolve, reject) => {
      onAdmit = resolve;
      onGiveUp = reject;
    });
    // Who leaves the queue does not look at the promise any more.
    entered.catch(() => undefined);
    const waiter: Waiter = {
      admit() {
        clearTimeout(timer);
        place.leave();
        state = 'inside';
        inside += 1;
        onAdmit();
      },
      refuse(error) {
        clearTimeout(timer);
        state = 'gone';
        place.leave();
        onGiveUp(error);
      },
    };
    const giveUp = (): void =>
      waiter.refuse(overloaded(`no place came free within ${timeoutMs} ms (QUEUE_TIMEOUT_MS)`));
    const timer = setTimeout(giveUp, timeoutMs);
    const place = new Link(waiter);
    queue.append(place);
    return {
      entered,
      leave() {
        if (state === 'waiting') return giveUp();
        if (state === 'gone') return;
        state = 'gone';
        inside -= 1;
        admitNext();
      },
    };
  }

  return {
    get inside() {
      return inside;
    },
    get waiting() {
      return queue.size;
    },
    enter() {
      if (inside < places) return enterNow();
      if (queue.size < maxWaiting) return queueUp();
      throw overloaded(`it serves ${places} chats (MAX_INFLIGHT) and ${maxWaiting} more wait (MAX_QUEUE)`);
    },
    dismiss(error) {
      for (const waiter of queue) waiter.refuse(error);
    },
  };
}

/** `why` completes "This proxy is full: ...". */
export function overloaded(why: string, retryAfterS = 1): ChatError {
  return new ChatError('proxy_overloaded', `This proxy is full: ${why}. Try again in a moment.`, {
    retryAfterS,
  });
}
