import type { WebSocket } from 'ws';
import { ChatError, toChatError } from '../errors.ts';
import type { OpenSocket, SocketAddress } from './open-socket.ts';
import { parseSocketFrame } from './protocol/socket-frame.ts';
import type { AnswerFrame, SocketEvent } from './protocol/socket-frame.ts';
import { SequenceAcks } from './sequence-acks.ts';

/** Before each try to come back, in ms; the jitter makes it half to one and a half of it. */
const RECONNECT_DELAYS_MS = [100, 500, 1_500];
const CLOSE_TIMEOUT_MS = 1_000;
const NORMAL_CLOSURE = 1000;
/** With it the service says that the connection cannot be taken up again. */
const POLICY_VIOLATION = 1008;

export interface ReliableSocketOptions {
  readonly open: OpenSocket;
  /** Where to connect; asked once. */
  readonly locate: (signal: AbortSignal) => Promise<SocketAddress>;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** Calls come in order: onReady, onFrame*, then onGone at most once; none before the constructor returned. */
export interface FrameReader {
  onReady(): void;
  onFrame(frame: AnswerFrame): void;
  /** For good. Not called after `close` or `destroy`. */
  onGone(error: ChatError): void;
}

interface Connection {
  readonly id: string;
  readonly reconnectionToken: string;
}

/**
 * One logical connection of the reliable protocol over as many web sockets as it takes: a dropped
 * one is taken up again where it broke, what the service then repeats is told once.
 */
export class ReliableSocket {
  readonly #options: ReliableSocketOptions;
  readonly #reader: FrameReader;
  readonly #leaving = new AbortController();
  readonly #acks = new SequenceAcks((text) => this.#send(text));
  #address: SocketAddress | null = null;
  #socket: WebSocket | null = null;
  #connection: Connection | null = null;
  #hasUncounted = false;
  #tries = 0;
  #timer: NodeJS.Timeout | null = null;
  #isReady = false;
  #isPaused = false;
  #isOver = false;

  constructor(options: ReliableSocketOptions, reader: FrameReader) {
    this.#options = options;
    this.#reader = reader;
    void this.#start();
  }

  /** Stops the reading; nothing is read ahead beyond a chunk of the connection. */
  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Acknowledges what came and says goodbye. */
  close(): void {
    const socket = this.#socket;
    this.#acks.flush();
    this.#finish();
    if (socket === null) return;
    const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.resume();
    socket.close(NORMAL_CLOSURE);
  }

  /** At once, in whatever state. */
  destroy(): void {
    const socket = this.#socket;
    this.#finish();
    socket?.terminate();
  }

  async #start(): Promise<void> {
    try {
      this.#address = await this.#options.locate(this.#leaving.signal);
      await this.#connect(this.#address);
    } catch (error) {
      this.#fail(toChatError(error));
    }
  }

  async #connect(address: SocketAddress): Promise<void> {
    const socket = await this.#options.open(address, this.#leaving.signal);
    if (this.#isOver) return socket.terminate();
    this.#socket = socket;
    socket.on('message', (data, isBinary) => {
      if (this.#socket === socket && !isBinary) this.#onText((data as Buffer).toString('utf8'));
    });
    socket.on('error', (error) => this.#onError(socket, error));
    socket.on('close', (code) => this.#onClose(socket, code));
    if (!this.#isPaused) socket.resume();
    if (this.#isReady) return;
    this.#isReady = true;
    this.#reader.onReady();
  }

  #onText(text: string): void {
    const frame = parseSocketFrame(text);
    if (frame === null) return;
    const { sequenceId, event } = frame;
    if (sequenceId !== null) {
      if (!this.#acks.take(sequenceId)) return;
      this.#tries = 0;
    }
    if (event.type === 'answer' && sequenceId === null) this.#hasUncounted = true;
    this.#onEvent(event);
  }

  #onEvent(event: SocketEvent): void {
    switch (event.type) {
      case 'connected':
        return this.#onConnected(event.connectionId, event.reconnectionToken);
      case 'disconnected':
        return this.#drop();
      case 'answer':
        return this.#reader.onFrame(event.frame);
      case 'other':
        return;
      default:
        event satisfies never;
    }
  }

  #onConnected(id: string | null, reconnectionToken: string | null): void {
    const known = this.#connection;
    // Another connection than the one that was asked for begins anew: what came in between is lost.
    if (known !== null && id !== null && id !== known.id) return this.#fail(cut());
    if (id !== null && reconnectionToken !== null) this.#connection = { id, reconnectionToken };
  }

  #onError(socket: WebSocket, error: Error): void {
    const { code = '' } = error as NodeJS.ErrnoException;
    // Broken framing would break again in the same place.
    if (this.#socket === socket && code.startsWith('WS_ERR_')) this.#fail(garbled(error));
  }

  #onClose(socket: WebSocket, code: number): void {
    if (this.#socket !== socket) return;
    if (code === NORMAL_CLOSURE || code === POLICY_VIOLATION) this.#fail(cut());
    else this.#drop();
  }

  #drop(): void {
    if (this.#isOver) return;
    const dropped = this.#socket;
    this.#socket = null;
    dropped?.terminate();
    const delayMs = RECONNECT_DELAYS_MS[this.#tries];
    const address = this.#resumeAddress();
    if (delayMs === undefined || address === null) return this.#fail(cut());
    this.#tries += 1;
    this.#timer = setTimeout(
      () => void this.#connect(address).catch(() => this.#drop()),
      delayMs * (0.5 + this.#options.random()),
    );
  }

  /** Null: nobody could repeat what was on its way. */
  #resumeAddress(): SocketAddress | null {
    if (this.#address === null || this.#hasUncounted) return null;
    const connection = this.#connection;
    if (connection === null) return this.#acks.last === 0 ? this.#address : null;
    const url = new URL(this.#address.url);
    url.searchParams.set('awps_connection_id', connection.id);
    url.searchParams.set('awps_reconnection_token', connection.reconnectionToken);
    return { ...this.#address, url: url.href };
  }

  #send(text: string): void {
    const socket = this.#socket;
    if (socket !== null && socket.readyState === socket.OPEN) socket.send(text);
  }

  #fail(error: ChatError): void {
    if (this.#isOver) return;
    this.destroy();
    this.#reader.onGone(error);
  }

  #finish(): void {
    this.#isOver = true;
    this.#socket = null;
    this.#acks.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#leaving.abort(new ChatError('internal_error', 'The caller left.'));
  }
}

function cut(): ChatError {
  return new ChatError(
    'upstream_protocol_error',
    'The backend cut its answer off before the end: its web socket closed.',
  );
}

function garbled(cause: Error): ChatError {
  return new ChatError(
    'upstream_protocol_error',
    'The backend sent something that is no frame of a web socket, or too large a one.',
    { cause },
  );
}
