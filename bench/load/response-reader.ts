/** What is told of a response; bytes are latin1 strings. */
export interface ResponseListener {
  onHead(status: number): void;
  onBody(bytes: string): void;
  onEnd(): void;
}

type Awaited = 'head' | 'size' | 'body' | 'chunk' | 'chunk end' | 'trailers' | 'close';

/** Takes the HTTP/1.1 responses of one connection apart, by whichever framing they have. */
export class ResponseReader {
  /** The response says that the connection ends with it. */
  closes = false;
  readonly #listener: ResponseListener;
  #awaited: Awaited = 'head';
  #rest = '';
  /** Bytes to come of this body or chunk. */
  #left = 0;

  constructor(listener: ResponseListener) {
    this.#listener = listener;
  }

  push(bytes: string): void {
    const text = this.#rest === '' ? bytes : this.#rest + bytes;
    let at = 0;
    for (let next = this.#step(text, at); next > at; next = this.#step(text, at)) at = next;
    this.#rest = at === text.length ? '' : text.slice(at);
  }

  /** The connection was closed from there. */
  close(): void {
    if (this.#awaited === 'close') this.#end();
  }

  /** Takes one part, if all of it that is needed is there; tells where the next begins. */
  #step(text: string, at: number): number {
    switch (this.#awaited) {
      case 'head':
        return this.#head(text, at);
      case 'size':
        return this.#size(text, at);
      case 'chunk end':
        return this.#line(text, at, 'size');
      case 'trailers':
        return this.#trailer(text, at);
      default:
        return this.#body(text, at);
    }
  }

  #head(text: string, at: number): number {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) return at;
    const head = text.slice(at, end).toLowerCase();
    const length = /\ncontent-length: *(\d+)/.exec(head)?.[1];
    this.closes = /\nconnection: *close/.test(head);
    if (/\ntransfer-encoding: *chunked/.test(head)) this.#awaited = 'size';
    else this.#awaited = length === undefined ? 'close' : 'body';
    this.#left = Number(length ?? Infinity);
    this.#listener.onHead(Number(head.split(' ', 2)[1]));
    if (this.#left === 0) this.#end();
    return end + 4;
  }

  #size(text: string, at: number): number {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return at;
    this.#left = Number.parseInt(text.slice(at, end), 16);
    this.#awaited = this.#left === 0 ? 'trailers' : 'chunk';
    return end + 2;
  }

  #line(text: string, at: number, then: Awaited): number {
    if (text.length < at + 2) return at;
    this.#awaited = then;
    return at + 2;
  }

  #trailer(text: string, at: number): number {
    const end = text.indexOf('\r\n', at);
    if (end === at) this.#end();
    return end < 0 ? at : end + 2;
  }

  #body(text: string, at: number): number {
    const end = Math.min(text.length, at + this.#left);
    if (end === at) return at;
    this.#left -= end - at;
    this.#listener.onBody(text.slice(at, end));
    if (this.#left === 0 && this.#awaited === 'chunk') this.#awaited = 'chunk end';
    else if (this.#left === 0) this.#end();
    return end;
  }

  #end(): void {
    this.#awaited = 'head';
    this.#listener.onEnd();
  }
}
