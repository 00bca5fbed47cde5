import type { ChatError } from '../errors.ts';
import type { TurnSink } from '../chat/ports.ts';
import type { EndReason, TurnEvent } from '../conversation/events.ts';
import { AnswerCutter } from '../openai/answer-cutter.ts';
import type { AnswerLimits } from '../openai/answer-cutter.ts';
import type { HistoryIds } from '../openai/chunk.ts';

/** Where the choices of one answer are put together, as a stream or as a whole. */
export interface AnswerOutput {
  /** True once a byte left for the client. */
  readonly committed: boolean;
  /** Upstream took a choice's turn; its text may be long in coming. */
  accepted(): void;
  start(index: number, ids: HistoryIds): void;
  /** The choice goes on in another message: from now on these are its ids. */
  move(index: number, ids: HistoryIds): void;
  /** `text` is not empty. */
  text(index: number, text: string): void;
  end(index: number, reason: EndReason): void;
  /** False: write no more until the listeners of `onDrain` are called. */
  readonly writable: boolean;
  onDrain(index: number, listener: () => void): void;
  onShutdown(listener: (error: ChatError) => void): void;
  /** All choices have ended. */
  finish(promptTokens: number, completionTokens: number): void;
  fail(error: ChatError): void;
}

/** One choice of an answer: cuts the backend's text to what the client asked for. */
export class ChoiceSink implements TurnSink {
  readonly #index: number;
  readonly #output: AnswerOutput;
  readonly #cutter: AnswerCutter;
  #started = false;

  constructor(index: number, output: AnswerOutput, limits: AnswerLimits) {
    this.#index = index;
    this.#output = output;
    this.#cutter = new AnswerCutter(limits);
  }

  get committed(): boolean {
    return this.#started || this.#output.committed;
  }

  get satisfied(): boolean {
    return this.#cutter.satisfied;
  }

  /** Final once the turn is complete. */
  get completionTokens(): number {
    return this.#cutter.completionTokens;
  }

  accepted(): void {
    this.#output.accepted();
  }

  write(event: TurnEvent): boolean {
    switch (event.type) {
      case 'turn-start':
        this.#started = true;
        this.#output.start(this.#index, event);
        break;
      case 'message-start':
        this.#output.move(this.#index, event);
        break;
      case 'text-delta':
        this.#text(this.#cutter.push(event.text));
        if (this.#cutter.reason !== null) this.#output.end(this.#index, this.#cutter.reason);
        break;
      case 'turn-end':
        this.#text(this.#cutter.end());
        this.#output.end(this.#index, this.#cutter.reason ?? event.reason);
        break;
    }
    return this.#output.writable;
  }

  onDrain(listener: () => void): void {
    this.#output.onDrain(this.#index, listener);
  }

  #text(text: string): void {
    if (text !== '') this.#output.text(this.#index, text);
  }
}
