import type { EndReason } from '../conversation/events.ts';
import { stringFrame } from '../sse/frame.ts';
import type { StringFrame } from '../sse/frame.ts';
import type { Usage } from './usage.ts';

export interface AnswerHead {
  /** From `createCompletionId`. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
}

/** The backend's names of a kept answer, with which a client continues it. */
export interface HistoryIds {
  readonly conversationId: string | null;
  readonly messageId: string | null;
}

/**
 * Encodes the chunks of one stream as JSON, in the field order of the real API. What does not
 * change within the stream is encoded once, around texts as bytes.
 */
export class ChunkEncoder {
  readonly #head: string;
  /** `"usage":null` stands in every chunk but the last when usage was asked for. */
  readonly #plainTail: string;
  /** By choice; each choice is a conversation of its own. */
  readonly #history: string[] = [];
  /** By choice; made when its first text comes, and anew when its ids change. */
  readonly #textFrames: (StringFrame | undefined)[] = [];

  constructor(head: AnswerHead, includeUsage: boolean) {
    this.#head =
      `{"id":${JSON.stringify(head.id)},"object":"chat.completion.chunk","created":${head.created},` +
      `"model":${JSON.stringify(head.model)},"system_fingerprint":null,"choices":[`;
    this.#plainTail = includeUsage ? ',"usage":null' : '';
  }

  /** From now on the chunks of the choice carry these ids. For chats that are kept. */
  keep(index: number, ids: HistoryIds): void {
    this.#textFrames[index] = undefined;
    this.#history[index] =
      (ids.conversationId === null ? '' : `,"conversation_id":${JSON.stringify(ids.conversationId)}`) +
      (ids.messageId === null ? '' : `,"message_id":${JSON.stringify(ids.messageId)}`);
  }

  /** Opens the choice. */
  role(index: number): string {
    return this.#chunk(index, '{"role":"assistant","content":"","refusal":null}', 'null');
  }

  /** The event of a text chunk, without its text. */
  textFrame(index: number): StringFrame {
    return (this.#textFrames[index] ??= stringFrame(
      `${this.#before(index)}{"content":`,
      `}${this.#after(index, 'null')}`,
    ));
  }

  /** What the model thinks; beside the content, as DeepSeek's API has it. */
  reasoning(index: number, text: string): string {
    return this.#chunk(index, `{"reasoning_content":${JSON.stringify(text)}}`, 'null');
  }

  /** Closes the choice. */
  finish(index: number, reason: EndReason): string {
    return this.#chunk(index, '{}', `"${reason}"`);
  }

  /** Follows the last choice's end; only for clients that asked for usage. */
  usage(usage: Usage): string {
    return `${this.#head}],"usage":${JSON.stringify(usage)}${this.#history[0] ?? ''}}`;
  }

  #chunk(index: number, delta: string, reason: string): string {
    return this.#before(index) + delta + this.#after(index, reason);
  }

  #before(index: number): string {
    return `${this.#head}{"index":${index},"delta":`;
  }

  #after(index: number, reason: string): string {
    const history = this.#history[index] ?? '';
    return `,"logprobs":null,"finish_reason":${reason}}]${this.#plainTail}${history}}`;
  }
}
