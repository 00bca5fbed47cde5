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
import { SharedChannels } from './shared-channels.ts';
import type { Waiting } from './shared-channels.ts';
import { SocketChannel } from './socket-channel.ts';
import { createSocketModes } from './socket-modes.ts';
import type { SocketModes } from './socket-modes.ts';
import type { SocketTurn } from './socket-turn.ts';

const SHARED_IDLE_MS = 60_000;
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

export function createWebSocketAnswers(options: WebSocketAnswersOptions): WebSocketAnswers {
  const { exits, profile, random } = options;
  const open = createOpenSocket(exits);
  const exchange = createExchange(exits);
  const modes = createSocketModes(options.nowMs);
  const shared = new SharedChannels();

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

  /** The socket that stands already, or was needed lately: its frames may come before the hand-over is read. */
  function earlyChannel(session: Session, mode: string, caller: string): SocketChannel | null {
    const known = shared.find(caller);
    if (known !== null || !modes.has(mode)) return known;
    const idleMs = options.sharedIdleMs ?? SHARED_IDLE_MS;
    return shared.open(caller, { open, random, idleMs, locate: (signal) => register(session, signal) });
  }

  function lateChannel(session: Session, caller: string | null, url: string): SocketChannel {
    const address = toAddress(url, session, profile);
    const facts = { open, random, idleMs: 0, locate: async () => address };
    const common = caller === null ? null : (shared.find(caller) ?? shared.open(caller, facts));
    return common ?? new SocketChannel({ ...facts, onClosed: () => {} });
  }

  return {
    prepare(session, ready) {
      const mode = session.identity.token === null ? null : callerKey(session);
      const caller = mode === null ? null : `${session.exit} ${mode}`;
      const ticket = new Ticket(modes, mode, (url) => lateChannel(session, caller, url));
      const early = mode === null || caller === null ? null : earlyChannel(session, mode, caller);
      if (early !== null) ticket.sitEarly(early, ready);
      else {
        if (caller !== null) ticket.awaits = shared.await(caller, (channel) => ticket.sit(channel));
        ready();
      }
      return ticket;
    },
  };
}

interface Place {
  readonly channel: SocketChannel;
  readonly turn: SocketTurn;
}

class Ticket implements SocketTicket {
  readonly #modes: SocketModes;
  /** The caller, as the modes know him; null: a visitor. */
  readonly #mode: string | null;
  readonly #lateChannel: (url: string) => SocketChannel;
  #place: Place | null = null;
  #isLeft = false;
  #isPaused = false;
  /** For a socket that somebody else's call may open meanwhile. */
  awaits: Waiting | null = null;

  constructor(modes: SocketModes, mode: string | null, lateChannel: (url: string) => SocketChannel) {
    this.#modes = modes;
    this.#mode = mode;
    this.#lateChannel = lateChannel;
  }

  sit(channel: SocketChannel): Place {
    this.#place = { channel, turn: channel.join() };
    return this.#place;
  }

  sitEarly(channel: SocketChannel, ready: () => void): void {
    this.sit(channel);
    channel.whenSettled(() => {
      if (!this.#isLeft) ready();
    });
  }

  take(handOver: HandOver, reader: StreamReader): void {
    if (this.#mode !== null) this.#modes.remember(this.#mode);
    this.awaits?.leave();
    const known = this.#place?.channel.isGone === false ? this.#place : null;
    const { channel, turn } = known ?? this.sit(this.#lateChannel(handOver.url));
    channel.claim(turn, handOver, reader);
    if (this.#isPaused) turn.pause();
  }

  decline(asStream: boolean): void {
    if (asStream && this.#mode !== null) this.#modes.forget(this.#mode);
    this.awaits?.leave();
    this.#place?.turn.release();
  }

  pause(): void {
    this.#isPaused = true;
    this.#place?.turn.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#place?.turn.resume();
  }

  abort(): void {
    this.#isLeft = true;
    this.awaits?.leave();
    this.#place?.turn.abort();
  }
}

function callerKey({ origin, identity }: Session): string {
  return JSON.stringify([origin, identity.token, identity.accountId]);
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
