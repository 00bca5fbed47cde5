import type { HeaderList } from '../http/headers.ts';
import type { Reply } from '../http/reply.ts';
import type { ByteSink } from './text-body.ts';

export interface AnswerHead {
  readonly status: number;
  readonly headers: HeaderList;
  /** Null: it is not known before the end. */
  readonly size: number | null;
}

export interface AnswerOutputOptions {
  readonly reply: Reply;
  readonly head: AnswerHead;
  /** The answer is its head: to a HEAD, or of a status that has no body. */
  readonly headOnly: boolean;
  /** Writing may go on. */
  readonly onTaken: () => void;
  /** The answer's end goes out now. */
  readonly onEnding: () => void;
}

/** The bytes of an answer on their way into a reply; the head leaves with the first of them. */
export class AnswerOutput implements ByteSink {
  readonly #options: AnswerOutputOptions;
  #given = 0;
  #isOpen = false;
  #isStalled = false;

  constructor(options: AnswerOutputOptions) {
    this.#options = options;
  }

  /** The client takes nothing at the moment. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Its length was not told before. */
  get isOpenEnded(): boolean {
    return this.#options.head.size === null;
  }

  /** Everything was handed over; the reply ends by itself. */
  get isComplete(): boolean {
    return this.#isOpen && this.#given === this.#options.head.size;
  }

  write(chunk: Uint8Array): boolean {
    const { reply, headOnly } = this.#options;
    if (reply.closed || headOnly || chunk.byteLength === 0) return true;
    this.#given += chunk.byteLength;
    if (this.#given === this.#options.head.size) this.#options.onEnding();
    this.#isStalled = !(this.#isOpen ? this.#continue(chunk) : this.#open(chunk)) && !reply.closed;
    return !this.#isStalled;
  }

  end(): void {
    const { reply, head, onEnding } = this.#options;
    if (reply.closed) return;
    onEnding();
    if (!this.#isOpen) return this.#sendHead();
    if (head.size === null) reply.endStream();
    else if (this.#given < head.size) reply.cut('error');
  }

  #open(first: Uint8Array): boolean {
    const { reply, head } = this.#options;
    const { status, headers, size } = head;
    this.#isOpen = true;
    reply.relays();
    if (size !== null) return reply.startSized(status, headers, size, first, () => this.#taken());
    reply.startStream(status, headers, first);
    reply.onWritable(() => this.#taken());
    return true;
  }

  #continue(chunk: Uint8Array): boolean {
    const { reply, head } = this.#options;
    return head.size === null ? reply.writeChunk(chunk) : reply.writeSized(chunk);
  }

  #taken(): void {
    this.#isStalled = false;
    this.#options.onTaken();
  }

  #sendHead(): void {
    const { reply, head, headOnly } = this.#options;
    reply.relays();
    if (!headOnly) return reply.send(head.status, '', head.headers);
    const length = head.size === null ? [] : [['content-length', String(head.size)] as const];
    reply.send(head.status, null, [...head.headers, ...length]);
  }
}
