import type { StreamReader } from '../chat/ports.ts';
import type { ChatError } from '../errors.ts';
import { LinkedList } from '../linked-list.ts';
import type { AnswerFrame, AnswerIds } from './protocol/socket-frame.ts';
import { ReliableSocket } from './reliable-socket.ts';
import type { FrameReader, ReliableSocketOptions } from './reliable-socket.ts';
import { SocketTurn } from './socket-turn.ts';
import type { TurnCarrier } from './socket-turn.ts';

/** Kept for turns that do not know their ids yet; beyond it the socket waits for them. */
const MAX_EARLY_CHARACTERS = 128 * 1024;
const EXCUSE_MS = 5_000;

export interface SocketChannelOptions extends ReliableSocketOptions {
  /** How long the socket stays without a turn; 0: it ends with the last one. */
  readonly idleMs: number;
  /** Called once, when no turn can join any more. */
  readonly onClosed: () => void;
}

/**
 * The answers of one caller that share one socket.
 *
 *   socket -> frames -> the turn with its ids -> reader
 *                   \-> kept, while some turn's ids are unknown
 *
 * A turn that pauses pauses the socket, and so the others: a frame cannot be left lying for one only.
 */
export class SocketChannel implements FrameReader, TurnCarrier {
  readonly #options: SocketChannelOptions;
  readonly #socket: ReliableSocket;
  readonly #turns = new LinkedList<SocketTurn>();
  readonly #waiting = new Set<() => void>();
  #early: AnswerFrame[] = [];
  #earlyCharacters = 0;
  #isReady = false;
  #isGone = false;
  #idle: NodeJS.Timeout | null = null;
  #excuses: NodeJS.Timeout | null = null;

  constructor(options: SocketChannelOptions) {
    this.#options = options;
    this.#socket = new ReliableSocket(options, this);
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** From now on frames for the turn are kept. */
  join(): SocketTurn {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    const turn = new SocketTurn(this);
    this.#turns.append(turn.place);
    return turn;
  }

  /** Calls `settled` when the socket stands, or is known not to: now, where it is. */
  whenSettled(settled: () => void): void {
    if (this.#isReady || this.#isGone) settled();
    else this.#waiting.add(settled);
  }

  /** Tells `turn` its ids; the reader hears of it later, in order, what came early included. */
  claim(turn: SocketTurn, ids: AnswerIds, reader: StreamReader): void {
    turn.claim(ids, reader);
    queueMicrotask(() => {
      if (this.#isReady) turn.open();
      this.#replay(turn);
    });
  }

  onReady(): void {
    this.#isReady = true;
    for (const turn of this.#turns) turn.open();
    this.#settle();
  }

  onFrame(frame: AnswerFrame): void {
    const takers = [...this.#turns].filter((turn) => turn.wants(frame));
    for (const turn of takers) turn.deliver(frame);
    if (takers.length === 0 && this.#hasUnclaimed()) this.#keep(frame);
  }

  onGone(error: ChatError): void {
    this.#leave();
    for (const turn of this.#turns) turn.fail(error);
    this.#settle();
  }

  onPaceChange(): void {
    const isHeld = [...this.#turns].some((turn) => turn.isPaused);
    if (isHeld || this.#earlyCharacters > MAX_EARLY_CHARACTERS) this.#socket.pause();
    else this.#socket.resume();
    if (!isHeld) this.#stopExcuses();
    else this.#excuses ??= setInterval(() => this.#excuse(), EXCUSE_MS);
  }

  onTurnOver(turn: SocketTurn, isLeft: boolean): void {
    turn.place.leave();
    if (!this.#hasUnclaimed()) this.#forgetEarly();
    this.onPaceChange();
    if (this.#isGone || this.#turns.size > 0) return;
    // What the backend still says to who left would come over this socket.
    if (isLeft) return this.#end('destroy');
    if (this.#options.idleMs === 0) return this.#end('close');
    this.#idle = setTimeout(() => this.#end('close'), this.#options.idleMs);
    this.#idle.unref();
  }

  #hasUnclaimed(): boolean {
    return [...this.#turns].some((turn) => !turn.isClaimed);
  }

  #keep(frame: AnswerFrame): void {
    this.#early.push(frame);
    this.#earlyCharacters += (frame.body?.length ?? 0) + 256;
    if (this.#earlyCharacters > MAX_EARLY_CHARACTERS) this.onPaceChange();
  }

  #replay(turn: SocketTurn): void {
    for (const frame of this.#early) if (!turn.isOver && turn.wants(frame)) turn.deliver(frame);
    if (!this.#hasUnclaimed()) this.#forgetEarly();
    this.onPaceChange();
  }

  #forgetEarly(): void {
    this.#early = [];
    this.#earlyCharacters = 0;
  }

  #excuse(): void {
    for (const turn of this.#turns) turn.excuse();
  }

  #stopExcuses(): void {
    if (this.#excuses !== null) clearInterval(this.#excuses);
    this.#excuses = null;
  }

  #settle(): void {
    for (const settled of this.#waiting) settled();
    this.#waiting.clear();
  }

  #end(how: 'close' | 'destroy'): void {
    this.#leave();
    this.#socket[how]();
  }

  #leave(): void {
    this.#isGone = true;
    this.#stopExcuses();
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#options.onClosed();
  }
}
