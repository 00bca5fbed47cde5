import type { ChatError } from '../errors.ts';
import type { EndReason, TurnStart } from '../conversation/events.ts';
import { toAnswerModel } from '../openai/answer-model.ts';
import type { ModelNames } from '../openai/answer-model.ts';
import type { HistoryIds } from '../openai/chunk.ts';
import { createCompletionId } from '../openai/completion-id.ts';
import { toCompletion } from '../openai/completion.ts';
import type { Usage } from '../openai/usage.ts';
import type { AnswerOutput } from './choice-sink.ts';
import type { Reply } from './reply.ts';

export interface WholeOutputOptions {
  readonly model: ModelNames;
  /** The chat is kept: the ids of its first choice go out with the answer. */
  readonly kept: boolean;
}

interface GrowingChoice {
  text: string;
  reasoning: string;
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
  /** Named by the first choice that starts. */
  #model: string | null = null;

  constructor(reply: Reply, options: WholeOutputOptions) {
    this.#reply = reply;
    this.#options = options;
  }

  accepted(): void {}

  start(index: number, start: TurnStart): void {
    this.move(index, start);
    this.#model ??= toAnswerModel(this.#options.model, start.modelSlug);
    this.#choices[index] = { text: '', reasoning: '', reason: 'stop' };
  }

  move(index: number, { conversationId, messageId }: HistoryIds): void {
    if (index === 0 && this.#options.kept) this.#ids = { conversationId, messageId };
  }

  text(index: number, text: string): void {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.text += text;
  }

  reasoning(index: number, text: string): void {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.reasoning += text;
  }

  end(index: number, reason: EndReason): void {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.reason = reason;
  }

  onDrain(): void {}

  onShutdown(listener: (error: ChatError) => void): void {
    this.#reply.onShutdown(listener);
  }

  finish(usage: Usage): void {
    const head = {
      id: createCompletionId(Math.random),
      created: Math.floor(Date.now() / 1000),
      model: this.#model ?? this.#options.model.reported,
    };
    this.#reply.json(200, toCompletion(head, this.#choices, usage, this.#ids));
  }

  fail(error: ChatError): void {
    this.#reply.fail(error);
  }
}
