import type { ChatError } from '../errors.ts';
import type { EndReason } from '../conversation/events.ts';
import { ChunkEncoder } from '../openai/chunk.ts';
import type { HistoryIds } from '../openai/chunk.ts';
import { createCompletionId } from '../openai/completion-id.ts';
import { toErrorBody } from '../openai/error-body.ts';
import { toUsage } from '../openai/usage.ts';
import { DONE_FRAME, dataFrame } from '../sse/frame.ts';
import type { AnswerOutput } from './choice-sink.ts';
import type { Reply } from './reply.ts';
import { SseWriter } from './sse-writer.ts';

export interface StreamOutputOptions {
  readonly model: string;
  readonly includeUsage: boolean;
  /** The chat is kept: its ids go out with the chunks. */
  readonly kept: boolean;
  readonly slowClientTimeoutMs: number;
}

/** No client is left without a byte for longer, whatever upstream does. */
const FIRST_SIGN_MS = 15_000;

/** The answer as server-sent events, each choice's chunks as they come. */
export class StreamOutput implements AnswerOutput {
  readonly #writer: SseWriter;
  readonly #encoder: ChunkEncoder;
  readonly #options: StreamOutputOptions;
  readonly #reply: Reply;
  readonly #drainListeners: (() => void)[] = [];
  readonly #opening: NodeJS.Timeout;
  #writable = true;

  constructor(reply: Reply, options: StreamOutputOptions) {
    this.#reply = reply;
    this.#options = options;
    this.#writer = new SseWriter(reply, { slowClientTimeoutMs: options.slowClientTimeoutMs });
    this.#writer.onDrain(() => this.#onDrain());
    const head = {
      id: createCompletionId(Math.random),
      created: Math.floor(Date.now() / 1000),
      model: options.model,
    };
    this.#encoder = new ChunkEncoder(head, options.includeUsage);
    this.#opening = setTimeout(() => this.#open(), FIRST_SIGN_MS);
    reply.onClose(() => clearTimeout(this.#opening));
  }

  get committed(): boolean {
    return this.#reply.started;
  }

  get writable(): boolean {
    return this.#writable;
  }

  accepted(): void {
    this.#open();
  }

  start(index: number, ids: HistoryIds): void {
    this.#open();
    this.move(index, ids);
    this.#write(this.#encoder.role(index));
  }

  move(index: number, ids: HistoryIds): void {
    if (this.#options.kept) this.#encoder.keep(index, ids);
  }

  text(index: number, text: string): void {
    this.#write(this.#encoder.text(index, text));
  }

  end(index: number, reason: EndReason): void {
    this.#write(this.#encoder.finish(index, reason));
  }

  onDrain(index: number, listener: () => void): void {
    this.#drainListeners[index] = listener;
  }

  onShutdown(listener: (error: ChatError) => void): void {
    this.#reply.onShutdown(listener);
  }

  finish(promptTokens: number, completionTokens: number): void {
    if (this.#options.includeUsage) this.#write(this.#encoder.usage(toUsage(promptTokens, completionTokens)));
    this.#writer.end(DONE_FRAME);
  }

  /** Before the first byte an answer with its own status; after it one error frame and no [DONE]. */
  fail(error: ChatError): void {
    if (!this.#reply.started) {
      this.#reply.fail(error);
      return;
    }
    this.#reply.note({ error });
    this.#writer.fail(dataFrame(JSON.stringify(toErrorBody(error))));
  }

  #open(): void {
    clearTimeout(this.#opening);
    this.#writer.open();
  }

  #write(json: string): void {
    if (!this.#writer.write(dataFrame(json))) this.#writable = false;
  }

  #onDrain(): void {
    this.#writable = true;
    for (const listener of this.#drainListeners) listener();
  }
}
