import type { ChatError } from '../errors.ts';
import type { EndReason, TurnStart } from '../conversation/events.ts';
import { ChunkEncoder } from '../openai/chunk.ts';
import type { HistoryIds } from '../openai/chunk.ts';
import { toAnswerModel } from '../openai/answer-model.ts';
import type { ModelNames } from '../openai/answer-model.ts';
import { createCompletionId } from '../openai/completion-id.ts';
import { toErrorBody } from '../openai/error-body.ts';
import type { Usage } from '../openai/usage.ts';
import { DONE_FRAME, dataFrame } from '../sse/frame.ts';
import type { AnswerOutput } from './choice-sink.ts';
import type { Reply } from './reply.ts';
import { SseWriter } from './sse-writer.ts';

export interface StreamOutputOptions {
  readonly model: ModelNames;
  readonly includeUsage: boolean;
  /** The chat is kept: its ids go out with the chunks. */
  readonly kept: boolean;
  readonly slowClientTimeoutMs: number;
}

/** The answer as server-sent events, each choice's chunks as they come. */
export class StreamOutput implements AnswerOutput {
  readonly #writer: SseWriter;
  readonly #options: StreamOutputOptions;
  readonly #reply: Reply;
  readonly #drainListeners: (() => void)[] = [];
  /** Made when the answer starts and with it names its model; all choices share it. */
  #encoder: ChunkEncoder | null = null;
  #writable = true;

  constructor(reply: Reply, options: StreamOutputOptions) {
    this.#reply = reply;
    this.#options = options;
    this.#writer = new SseWriter(reply, { slowClientTimeoutMs: options.slowClientTimeoutMs });
    this.#writer.onDrain(() => this.#onDrain());
    this.#writer.openOnSilence();
  }

  get committed(): boolean {
    return this.#writer.opened;
  }

  get writable(): boolean {
    return this.#writable;
  }

  accepted(): void {
    this.#writer.open();
  }

  start(index: number, start: TurnStart): void {
    this.#writer.openWithFrames();
    this.#encoder ??= this.#createEncoder(start.modelSlug);
    if (this.#options.kept) this.#encoder.keep(index, start);
    this.#write(this.#encoder.role(index));
  }

  move(index: number, ids: HistoryIds): void {
    if (this.#options.kept) this.#encoder?.keep(index, ids);
  }

  text(index: number, text: string): void {
    if (this.#encoder === null) return;
    if (!this.#writer.writeString(this.#encoder.textFrame(index), text)) this.#writable = false;
  }

  reasoning(index: number, text: string): void {
    if (this.#encoder !== null) this.#write(this.#encoder.reasoning(index, text));
  }

  end(index: number, reason: EndReason): void {
    if (this.#encoder === null) return;
    this.#writer.hold();
    this.#write(this.#encoder.finish(index, reason));
  }

  onDrain(index: number, listener: () => void): void {
    this.#drainListeners[index] = listener;
  }

  onShutdown(listener: (error: ChatError) => void): void {
    this.#reply.onShutdown(listener);
  }

  finish(usage: Usage): void {
    if (this.#options.includeUsage && this.#encoder !== null) this.#write(this.#encoder.usage(usage));
    this.#writer.end(DONE_FRAME);
  }

  /** Before the first byte an answer with its own status; after it one error frame and no [DONE]. */
  fail(error: ChatError): void {
    if (!this.committed) {
      this.#reply.fail(error);
      return;
    }
    this.#reply.note({ error });
    this.#writer.fail(dataFrame(JSON.stringify(toErrorBody(error))));
  }

  #createEncoder(modelSlug: string | null): ChunkEncoder {
    const head = {
      id: createCompletionId(Math.random),
      created: Math.floor(Date.now() / 1000),
      model: toAnswerModel(this.#options.model, modelSlug),
    };
    return new ChunkEncoder(head, this.#options.includeUsage);
  }

  #write(json: string): void {
    if (!this.#writer.write(dataFrame(json))) this.#writable = false;
  }

  #onDrain(): void {
    this.#writable = true;
    for (const listener of this.#drainListeners) listener();
  }
}
