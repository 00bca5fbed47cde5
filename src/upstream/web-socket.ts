import type { Session, StreamReader } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import { createExchange } from '../outbound/exchange.ts';
import type { Exits } from '../outbound/exits.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile, Headers } from './headers.ts';
import { createOpenSocket } from './open-socket.ts';
import type { SocketAddress } from './open-socket.ts';
import { parseSocketUrl } from './protocol/socket-frame.ts';
import type { HandOver } from './protocol/socket-frame.ts';
import { SocketChannel } from './socket-channel.ts';
import { createSocketModes } from './socket-modes.ts';
import type { SocketTurn } from './socket-turn.ts';

const SHARED_IDLE_MS = 60_000;
const MAX_SHARED = 1_000;
const REGISTER_TIMEOUT_MS = 10_000;

export interface WebSocketAnswersOptions {
  readonly exits: Pick<Exits, 'send' | 'dial'>;
  readonly profile: ClientProfile;
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** How long a shared socket stays open without a turn. */
  readonly sharedIdleMs?: number;
}

/** Answers that come over a web socket although the call asked for an event stream. */
export interface WebSocketAnswers {
  /**
   * Before the conversation call. Who was handed over lately is connected first, so that no frame is
   * missed; `ready` is called once, at once for all others, and never after `abort`.
   */
  prepare(session: Session, ready: () => void): SocketTicket;
}

/** One conversation call's place at the socket. Ends with `take`, `decline` or `abort`; all idempotent. */
export interface SocketTicket {
  /** The backend handed the answer over: everything that happens is told to `reader`, later. */
  take(handOver: HandOver, reader: StreamReader): void;
  /** The answer came otherwise. `asStream`: as an event stream, so the next will too. */
  decline(asStream: boolean): void;
  pause(): void;
  resume(): void;
  /** Nothing more is told, and the socket is gone unless others use it. */
  abort(): void;
}

interface Place {
  readonly channel: SocketChannel;
  readonly turn: SocketTurn;
}

export function createWebSocketAnswers(options: WebSocketAnswersOptions): WebSocketAnswers {
  const { exits, profile, random } = options;
  const open = createOpenSocket(exits);
  const exchange = createExchange(exits);
  const modes = createSocketModes(options.nowMs);
  const shared = new Map<string, SocketChannel>();

  async function register(session: Session, signal: AbortSignal): Promise<SocketAddress> {
    const { status, text } = await exchange(
      {
        exit: session.exit,
        origin: session.origin,
        method: 'POST',
        path: `${basePath(session)}/register-websocket`,
        headers: baseHeaders(session, profile),
        body: '',
        timeoutMs: REGISTER_TIMEOUT_MS,
        step: "the web socket's address",
      },
      signal,
    );
    const url = status === 200 ? parseSocketUrl(text) : null;
    if (url !== null) return toAddress(url, session, profile);
    throw new ChatError('upstream_protocol_error', `The backend gave no web socket's address (${status}).`);
  }

  /** Null: too many are open; then each turn gets its own. */
  function sharedChannel(session: Session): SocketChannel | null {
    const key = `${session.exit} ${callerKey(session)}`;
    const known = shared.get(key);
    if (known !== undefined) return known;
    if (shared.size >= MAX_SHARED) return null;
    const channel = new SocketChannel({
      open,
      random,
      locate: (signal) => register(session, signal),
      idleMs: options.sharedIdleMs ?? SHARED_IDLE_MS,
      onClosed: () => void shared.delete(key),
    });
    shared.set(key, channel);
    return channel;
  }

  function ownChannel(session: Session, url: string): SocketChannel {
    const address = toAddress(url, session, profile);
    return new SocketChannel({
      open,
      random,
      locate: async () => address,
      idleMs: 0,
      onClosed: () => {},
    });
  }

  return {
    prepare(session, ready) {
      const caller = session.caller.token === null ? null : callerKey(session);
      const early = caller !== null && modes.has(caller) ? sharedChannel(session) : null;
      let place: Place | null = early === null ? null : { channel: early, turn: early.join() };
      let isLeft = false;
      let isPaused = false;
      if (place === null) ready();
      else place.channel.whenSettled(() => isLeft || ready());
      return {
        take(handOver, reader) {
          if (caller !== null) modes.remember(caller);
          if (place === null || place.channel.isGone) {
            const channel = ownChannel(session, handOver.url);
            place = { channel, turn: channel.join() };
          }
          place.channel.claim(place.turn, handOver, reader);
          if (isPaused) place.turn.pause();
        },
        decline(asStream) {
          if (asStream && caller !== null) modes.forget(caller);
          place?.turn.release();
        },
        pause() {
          isPaused = true;
          place?.turn.pause();
        },
        resume() {
          isPaused = false;
          place?.turn.resume();
        },
        abort() {
          isLeft = true;
          place?.turn.abort();
        },
      };
    },
  };
}

function callerKey({ origin, caller }: Session): string {
  return JSON.stringify([origin, caller.token, caller.accountId]);
}

/** What a page's script lets its browser send: no token, for the address has its own. */
function toAddress(url: string, session: Session, { userAgent, authKey }: ClientProfile): SocketAddress {
  const gateway = new URL(session.origin);
  const headers: Headers = {
    origin: gateway.origin,
    'user-agent': userAgent,
    'accept-language': 'en-US,en;q=0.9',
    'cache-control': 'no-cache',
    pragma: 'no-cache',
    ...(authKey !== null && new URL(url).host === gateway.host ? { authkey: authKey } : {}),
  };
  return { url, exit: session.exit, headers };
}
