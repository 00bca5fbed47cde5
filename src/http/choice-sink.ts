import type { ChatError } from '../errors.ts';
import type { TurnSink } from '../chat/ports.ts';
import type { EndReason, TurnEvent, TurnStart } from '../conversation/events.ts';
import { AnswerCutter } from '../openai/answer-cutter.ts';
import type { AnswerLimits } from '../openai/answer-cutter.ts';
import type { HistoryIds } from '../openai/chunk.ts';
import { AnswerRenderer } from '../openai/render.ts';
import { TokenMeter } from '../openai/token-meter.ts';
import type { Usage } from '../openai/usage.ts';

/** Where the choices of one answer are put together, as a stream or as a whole. */
export interface AnswerOutput {
  /** True once a byte left for the client. */
  readonly committed: boolean;
  /** Upstream took a choice's turn; its text may be long in coming. */
  accepted(): void;
  start(index: number, start: TurnStart): void;
  /** The choice goes on in another message: from now on these are its ids. */
  move(index: number, ids: HistoryIds): void;
  /** `text` is not empty. */
  text(index: number, text: string): void;
  /** What the model thinks, beside the answer; `text` is not empty. */
  reasoning(index: number, text: string): void;
  end(index: number, reason: EndReason): void;
  /** False: write no more until the listeners of `onDrain` are called. */
  readonly writable: boolean;
  onDrain(index: number, listener: () => void): void;
  onShutdown(listener: (error: ChatError) => void): void;
  /** All choices have ended. */
  finish(usage: Usage): void;
  fail(error: ChatError): void;
}

/** One choice of an answer: renders the backend's events and cuts the text to what the client asked for. */
export class ChoiceSink implements TurnSink {
  readonly #index: number;
  readonly #output: AnswerOutput;
  readonly #renderer = new AnswerRenderer();
  readonly #cutter: AnswerCutter;
  /** Thoughts are counted, but no limit cuts them. */
  readonly #thoughts: TokenMeter | null;
  #started = false;

  constructor(index: number, output: AnswerOutput, limits: AnswerLimits) {
    this.#index = index;
    this.#output = output;
    this.#cutter = new AnswerCutter(limits);
    this.#thoughts = limits.tokens && new TokenMeter(limits.tokens.tokenizer, Infinity);
  }

  get committed(): boolean {
    return this.#started || this.#output.committed;
  }

  get satisfied(): boolean {
    return this.#cutter.satisfied;
  }

  /** Of the text, without the thoughts. Final once the turn is complete; 0 when not counted. */
  get contentTokens(): number {
    return this.#cutter.completionTokens;
  }

  /** To be read once, when the turn is complete; 0 when not counted. */
  get reasoningTokens(): number {
    this.#thoughts?.end();
    return this.#thoughts?.tokens ?? 0;
  }

  accepted(): void {
    this.#output.accepted();
  }

  write(event: TurnEvent): boolean {
    if (this.satisfied) return this.#output.writable;
    switch (event.type) {
      case 'turn-start':
        this.#started = true;
        this.#output.start(this.#index, event);
        break;
      case 'message-start':
        this.#output.move(this.#index, event);
        break;
      case 'reasoning-delta':
        this.#thoughts?.push(event.text);
        this.#output.reasoning(this.#index, event.text);
        break;
      case 'turn-end':
        this.#text(this.#cutter.push(this.#renderer.end()) + this.#cutter.end());
        this.#output.end(this.#index, this.#cutter.reason ?? event.reason);
        break;
      default:
        this.#text(this.#cutter.push(this.#renderer.render(event)));
        if (this.#cutter.reason !== null) this.#output.end(this.#index, this.#cutter.reason);
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
