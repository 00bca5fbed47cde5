import type { ChatError } from '../errors.ts';
import type { EndReason } from '../conversation/events.ts';
import type { HistoryIds } from '../openai/chunk.ts';
import { createCompletionId } from '../openai/completion-id.ts';
import { toCompletion } from '../openai/completion.ts';
import { toUsage } from '../openai/usage.ts';
import type { AnswerOutput } from './choice-sink.ts';
import type { Reply } from './reply.ts';

export interface WholeOutputOptions {
  readonly model: string;
  /** The chat is kept: the ids of its first choice go out with the answer. */
  readonly kept: boolean;
}

interface GrowingChoice {
  text: string;
  reason: EndReason;
}

/** The answer as one JSON body, when all of it is there. */
export class WholeOutput implements AnswerOutput {
  readonly committed = false;
  readonly writable = true;
  readonly #reply: Reply;
  readonly #options: WholeOutputOptions;
  readonly #choices: GrowingChoice[] = [];
  #ids: HistoryIds | null = null;

  constructor(reply: Reply, options: WholeOutputOptions) {
    this.#reply = reply;
    this.#options = options;
  }

  accepted(): void {}

  start(index: number, ids: HistoryIds): void {
    this.move(index, ids);
    this.#choices[index] = { text: '', reason: 'stop' };
  }

  move(index: number, ids: HistoryIds): void {
    if (index === 0 && this.#options.kept) this.#ids = ids;
  }

  text(index: number, text: string): void {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.text += text;
  }

  end(index: number, reason: EndReason): void {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.reason = reason;
  }

  onDrain(): void {}

  onShutdown(listener: (error: ChatError) => void): void {
    this.#reply.onShutdown(listener);
  }

  finish(promptTokens: number, completionTokens: number): void {
    const head = {
      id: createCompletionId(Math.random),
      created: Math.floor(Date.now() / 1000),
      model: this.#options.model,
    };
    const usage = toUsage(promptTokens, completionTokens);
    this.#reply.json(200, toCompletion(head, this.#choices, usage, this.#ids));
  }

  fail(error: ChatError): void {
    this.#reply.fail(error);
  }
}
