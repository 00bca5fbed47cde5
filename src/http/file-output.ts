import type { FileControl, FileHead, FileReader } from '../chat/file-ports.ts';
import { ChatError } from '../errors.ts';
import { openFileBody } from './file-body.ts';
import type { FileBody } from './file-body.ts';
import { fileHeaders } from './file-headers.ts';
import type { Reply } from './reply.ts';

export interface FileOutputOptions {
  /** A HEAD: the file itself is not wanted. */
  readonly headOnly: boolean;
  readonly slowClientTimeoutMs: number;
}

/** How often a client is looked at; shorter than the 10 s after which the native server cuts a quiet one. */
const CHECK_MS = 4_000;

/**
 * One file into one reply, at the client's pace. The head leaves with the first bytes: until then a
 * failure is told with its own status.
 */
export class FileOutput implements FileReader {
  readonly #reply: Reply;
  readonly #options: FileOutputOptions;
  #control: FileControl | null = null;
  #head: FileHead | null = null;
  #body: FileBody | null = null;
  #watch: NodeJS.Timeout | null = null;
  /** The client takes nothing at the moment. */
  #refused = false;
  #bytesSeen = 0;
  #stalledMs = 0;

  constructor(reply: Reply, options: FileOutputOptions) {
    this.#reply = reply;
    this.#options = options;
  }

  /** Must follow at once on the call that opened the file. */
  attach(control: FileControl): void {
    this.#control = control;
    this.#reply.onClose(() => {
      if (this.#watch !== null) clearInterval(this.#watch);
      control.abort();
    });
  }

  onHead(head: FileHead): void {
    this.#head = head;
    if (this.#options.headOnly) this.#sendHead(head);
  }

  onBytes(chunk: Uint8Array): void {
    if (this.#reply.closed || chunk.byteLength === 0) return;
    const taken = this.#body === null ? this.#open(chunk) : this.#body.write(chunk);
    if (taken || this.#reply.closed) return;
    this.#refused = true;
    this.#control?.pause();
  }

  onEnd(): void {
    if (this.#body !== null) return this.#body.end();
    if (this.#head === null || (this.#head.size ?? 0) > 0) return this.onFailure(cutOff());
    this.#reply.send(this.#head.status, '', fileHeaders(this.#head));
  }

  onFailure(error: ChatError): void {
    this.#reply.fail(error);
  }

  /** The length told is that of the body which a GET would have. */
  #sendHead(head: FileHead): void {
    const length = head.size === null ? [] : [['content-length', String(head.size)] as const];
    this.#reply.send(head.status, null, [...fileHeaders(head), ...length]);
  }

  #open(first: Uint8Array): boolean {
    const head = this.#head as FileHead;
    const { body, taken } = openFileBody(this.#reply, head, first, () => this.#onTaken());
    this.#body = body;
    if (!this.#reply.closed) {
      const everyMs = Math.min(CHECK_MS, this.#options.slowClientTimeoutMs);
      this.#watch = setInterval(() => this.#check(everyMs), everyMs);
    }
    return taken;
  }

  #onTaken(): void {
    this.#refused = false;
    this.#control?.resume();
  }

  #check(everyMs: number): void {
    const { bytesOut } = this.#reply;
    this.#stalledMs = this.#refused && bytesOut === this.#bytesSeen ? this.#stalledMs + everyMs : 0;
    this.#bytesSeen = bytesOut;
    if (this.#stalledMs >= this.#options.slowClientTimeoutMs) this.#reply.cut('slow_client');
    else this.#reply.extendPatience();
  }
}

function cutOff(): ChatError {
  return new ChatError('upstream_protocol_error', 'The backend cut the file off before its first byte.');
}
