import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ResponseReader } from './response-reader.ts';
import type { ResponseListener } from './response-reader.ts';

/** Who reads the answer to a question. */
export interface ChatReader {
  /** Bytes as a latin1 string. */
  onBody(bytes: string): void;
  /** Null: the response is complete. Otherwise why it is not. */
  onEnd(failure: string | null): void;
}

/** Ports run short on one address: each address connects so often, then the next one does. */
const CONNECTIONS_PER_ADDRESS = 8_000;
const ADDRESSES = 200;
/** All connections read into it in turn: what was read is taken before the next is. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);

let connections = 0;

/** A connection that is kept from one chat to the next. Reads with as little of Node.js in between as can be. */
export class ChatConnection implements ResponseListener {
  readonly #socket: Socket;
  readonly #reader = new ResponseReader(this);
  #chat: ChatReader | null = null;
  #status = 0;
  #refusal = '';

  constructor(port: number) {
    const address = Math.floor(connections++ / CONNECTIONS_PER_ADDRESS) % ADDRESSES;
    const callback = (bytes: number): boolean => {
      this.#reader.push(READ_BUFFER.toString('latin1', 0, bytes));
      return true;
    };
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: `127.0.0.${1 + address}`,
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback },
    });
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#onClose());
  }

  /** Whether another chat can be asked for. */
  get usable(): boolean {
    return !this.#socket.destroyed && !this.#reader.closes;
  }

  ask(request: Buffer, chat: ChatReader): void {
    this.#chat = chat;
    this.#socket.write(request);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  onHead(status: number): void {
    this.#status = status;
    this.#refusal = '';
  }

  onBody(bytes: string): void {
    if (this.#status === 200) this.#chat?.onBody(bytes);
    else this.#refusal += bytes;
  }

  onEnd(): void {
    const chat = this.#chat;
    this.#chat = null;
    chat?.onEnd(this.#status === 200 ? null : `${this.#status} ${this.#refusal.slice(0, 200)}`);
  }

  #onClose(): void {
    this.#reader.close();
    this.#fail('the connection was closed');
  }

  #fail(why: string): void {
    const chat = this.#chat;
    this.#chat = null;
    chat?.onEnd(why);
  }
}
