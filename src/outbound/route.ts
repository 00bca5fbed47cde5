import type { Dispatcher } from 'undici';
import { ChatError } from '../errors.ts';
import { Link, LinkedList } from '../linked-list.ts';
import { createBelief } from './belief.ts';
import type { Belief } from './belief.ts';
import { createConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import type { Dial } from './dial.ts';
import type { Scope } from './scope.ts';

/** Each stream holds one. Far above MAX_INFLIGHT's default: admission limits streams, not this. */
const MAX_CONNECTIONS = 50_000;
/** What a burst leaves open for the next one. */
const MAX_FREE_CONNECTIONS = 256;

/** Counts since the start. */
export interface Traffic {
  requests: number;
  /** Requests that went out on a connection that had brought an answer before. */
  reused: number;
  /** Requests that went out once more because their connection turned out to be closed. */
  resent: number;
}

/** What is sent over a route. */
export interface Parcel {
  /** `prefix`: the route's, for in front of the path. */
  toOptions(prefix: string): Dispatcher.DispatchOptions;
  toHandler(connection: Connection): Dispatcher.DispatchHandler;
  /** No connection could be had for it. */
  onRefused(error: ChatError): void;
  /** Ends when the request is over early: no connection is made for it any more. */
  readonly scope: Scope;
  /** It was sent before, and goes on a new connection now. */
  readonly isResent: boolean;
}

/** The connections of one exit to one origin. */
export interface Route {
  readonly traffic: Traffic;
  /** Requests that are not over, those without a connection yet among them. */
  readonly running: number;
  /** On `performance.now()`'s clock. */
  readonly belief: Belief;
  carry(parcel: Parcel): void;
  /** Takes nothing more, and resolves when all is over; `destroy` ends it. Both idempotent. */
  close(): Promise<void>;
  destroy(): Promise<void>;
}

export function createTraffic(): Traffic {
  return { requests: 0, reused: 0, resent: 0 };
}

export function createRoute(base: string, dial: Dial, traffic = createTraffic()): Route {
  const { origin, pathname } = new URL(base);
  /** The path of a gateway that does not live at the root, without a slash at its end. */
  const prefix = pathname.replace(/\/+$/, '');
  /** The one that was used last is taken first: it is the least likely to be closed by now. */
  const free: Link<Connection>[] = [];
  const busy = new LinkedList<Connection>();
  const onRest: (() => void)[] = [];
  let waiting = 0;
  let phase: 'open' | 'closing' | 'destroyed' = 'open';

  function take(parcel: Parcel): void {
    if (phase === 'destroyed') return parcel.onRefused(shuttingDown());
    if (busy.size >= MAX_CONNECTIONS) return parcel.onRefused(tooMany());
    const place = (parcel.isResent ? undefined : free.pop()) ?? open();
    busy.append(place);
    const connection = place.value;
    connection.dispatch(parcel.toOptions(prefix), parcel.toHandler(connection), parcel.scope);
  }

  function open(): Link<Connection> {
    const onFree = (): void => put(place);
    const onLost = (): void => drop(place);
    const place = new Link(createConnection(origin, dial, { onFree, onLost }));
    return place;
  }

  function put(place: Link<Connection>): void {
    place.leave();
    const isKept = place.value.isOpen && phase === 'open' && free.length < MAX_FREE_CONNECTIONS;
    if (isKept) free.push(place);
    else void place.value.destroy();
    restIfOver();
  }

  function drop(place: Link<Connection>): void {
    const at = free.indexOf(place);
    if (at !== -1) free.splice(at, 1);
    void place.value.destroy();
  }

  function restIfOver(): void {
    if (busy.size + waiting === 0) for (const resolve of onRest.splice(0)) resolve();
  }

  async function destroy(): Promise<void> {
    phase = 'destroyed';
    const all = [...free.splice(0).map(({ value }) => value), ...busy.takeAll()];
    await Promise.all(all.map((connection) => connection.destroy()));
    restIfOver();
  }

  return {
    traffic,
    belief: createBelief(),
    get running() {
      return busy.size + waiting;
    },
    carry(parcel) {
      if (phase !== 'open') return parcel.onRefused(shuttingDown());
      traffic[parcel.isResent ? 'resent' : 'requests'] += 1;
      if (parcel.isResent || free.length > 0) return take(parcel);
      // An answer that ended just now frees its connection at the end of this turn of the event loop:
      // so the calls of a chat, one right after the other, share one connection.
      waiting += 1;
      setImmediate(() => {
        waiting -= 1;
        if (!parcel.scope.isOver) take(parcel);
        restIfOver();
      });
    },
    async close() {
      if (phase === 'open') phase = 'closing';
      if (busy.size + waiting > 0) await new Promise<void>((resolve) => onRest.push(resolve));
      await destroy();
    },
    destroy,
  };
}

function shuttingDown(): ChatError {
  return new ChatError('shutting_down', 'The proxy is shutting down.');
}

function tooMany(): ChatError {
  return new ChatError('proxy_overloaded', `More than ${MAX_CONNECTIONS} connections to the backend.`);
}
