import type { HttpResponse } from './uws.ts';

const NOTHING = new Uint8Array(0);

/**
 * A body of known size on its way into a socket, which takes what it has room for; the rest waits
 * here. Its holder corks the calls and makes none after the end.
 */
export class SizedBody {
  readonly #res: HttpResponse;
  readonly #size: number;
  /** The native counter may not start at 0. */
  readonly #start: number;
  #rest: Uint8Array = NOTHING;
  /** Where in the native counter's terms `#rest` begins. */
  #restAt = 0;
  #taken = 0;
  #complete = false;

  /** After the head was written. */
  constructor(res: HttpResponse, size: number) {
    this.#res = res;
    this.#size = size;
    this.#start = res.getWriteOffset();
  }

  /** Bytes that the socket has taken, as far as is known. */
  get taken(): number {
    return this.#taken;
  }

  /** The socket has it all, and the answer has ended. */
  get complete(): boolean {
    return this.#complete;
  }

  /** False: the socket is full, and what it did not take is kept until `retry`. */
  write(chunk: Uint8Array): boolean {
    if (this.#rest.byteLength > 0) {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      return false;
    }
    this.#restAt = this.#res.getWriteOffset();
    if (this.#offer(chunk)) return true;
    this.#rest = Buffer.from(chunk);
    return false;
  }

  /** The socket has room again; `offset` is its counter. True: nothing waits here any more. */
  retry(offset: number): boolean {
    this.#taken = offset - this.#start;
    if (this.#rest.byteLength === 0) return true;
    const rest = this.#rest.subarray(offset - this.#restAt);
    if (rest.byteLength > 0 && !this.#offer(rest)) return false;
    this.#rest = NOTHING;
    return true;
  }

  #offer(chunk: Uint8Array): boolean {
    const [taken, complete] = this.#res.tryEnd(chunk, this.#size);
    this.#complete = complete;
    if (taken || complete) this.#taken += chunk.byteLength;
    return taken || complete;
  }
}
