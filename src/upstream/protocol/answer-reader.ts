import type { DecodedEvent, EndReason } from '../../conversation/events.ts';
import type { WireEnvelope, WireMessage } from './wire.ts';

/** Where the visible answer ends up, message by message. */
interface MessageState {
  /** UTF-16 units of this message already emitted. */
  emittedLength: number;
}

const MAX_MESSAGES = 256;

/**
 * Messages as they grow to the events of a turn. Both stream encodings end here. Text that was
 * emitted is never emitted again, whatever upstream does to it afterwards.
 */
export class AnswerReader {
  readonly #emit: (event: DecodedEvent) => void;
  /** Messages of the question: the backend may echo them, assistant ones included. */
  readonly #askedIds: ReadonlySet<string>;
  readonly #messages = new Map<string, MessageState>();
  #started = false;
  #heldSurrogate = '';
  #reason: EndReason | null = null;

  constructor(emit: (event: DecodedEvent) => void, askedIds: ReadonlySet<string>) {
    this.#emit = emit;
    this.#askedIds = askedIds;
  }

  /** True once any text of the answer was seen. */
  get hasText(): boolean {
    return this.#started;
  }

  /** Why the answer ended, or null while upstream has not said that it did. */
  get endReason(): EndReason | null {
    return this.#reason;
  }

  /**
   * Reads a message after it changed. `appended`: only this text was added to its first part since
   * the last call; null: compare.
   */
  read(envelope: WireEnvelope, appended: string | null): void {
    const message = envelope.message;
    if (typeof message !== 'object' || message === null || !this.#isVisibleAnswer(message)) return;
    const state = this.#stateOf(message);
    const delta = unseenText(message, state, appended);
    if (delta !== '') {
      state.emittedLength += delta.length;
      this.#start(envelope, message);
      this.#text(delta);
    }
    this.#reason = endOf(message) ?? (delta === '' ? this.#reason : null);
  }

  /** Upstream's moderation stopped the answer. */
  block(): void {
    this.#reason = 'content_filter';
  }

  /** Nothing more comes. Must be called once, after a complete answer. */
  finish(): void {
    this.#start({}, {});
    if (this.#heldSurrogate !== '') this.#emit({ type: 'text-delta', text: this.#heldSurrogate });
    this.#emit({ type: 'turn-end', reason: this.#reason ?? 'stop' });
  }

  #isVisibleAnswer(message: WireMessage): boolean {
    if (message.author?.role !== 'assistant') return false;
    if (message.weight === 0 || message.metadata?.is_visually_hidden_from_conversation === true) return false;
    if (!isNoneOr(message.recipient, 'all') || !isNoneOr(message.channel, 'final')) return false;
    const kind = message.content?.content_type;
    if (kind !== 'text' && kind !== 'multimodal_text') return false;
    return !(typeof message.id === 'string' && this.#askedIds.has(message.id));
  }

  #stateOf(message: WireMessage): MessageState {
    const id = typeof message.id === 'string' ? message.id : '';
    let state = this.#messages.get(id);
    if (state === undefined) {
      if (this.#messages.size >= MAX_MESSAGES) this.#forgetOldest();
      state = { emittedLength: 0 };
      this.#messages.set(id, state);
    }
    return state;
  }

  #forgetOldest(): void {
    for (const id of this.#messages.keys()) {
      this.#messages.delete(id);
      return;
    }
  }

  #start(envelope: WireEnvelope, message: WireMessage): void {
    if (this.#started) return;
    this.#started = true;
    this.#emit({
      type: 'turn-start',
      conversationId: textOrNull(envelope.conversation_id),
      messageId: textOrNull(message.id),
      modelSlug: textOrNull(message.metadata?.model_slug),
    });
  }

  /** A character outside the basic plane must not be cut in two: its first half waits for the second. */
  #text(delta: string): void {
    const text = this.#heldSurrogate + delta;
    const last = text.charCodeAt(text.length - 1);
    const isCut = last >= 0xd800 && last <= 0xdbff;
    this.#heldSurrogate = isCut ? text.slice(-1) : '';
    const whole = isCut ? text.slice(0, -1) : text;
    if (whole !== '') this.#emit({ type: 'text-delta', text: whole });
  }
}

/**
 * The text beyond what was emitted. By length, not by comparing: sent text cannot be taken back, so
 * after an edit the client gets what the new text has beyond the old one's end.
 */
function unseenText(message: WireMessage, state: MessageState, appended: string | null): string {
  const parts = message.content?.parts;
  if (!Array.isArray(parts)) return '';
  if (appended !== null && parts.length === 1) {
    const first: unknown = parts[0];
    if (typeof first !== 'string') return '';
    if (first.length === state.emittedLength + appended.length) return appended;
  }
  const text = parts.filter((part) => typeof part === 'string').join('');
  return text.length > state.emittedLength ? text.slice(state.emittedLength) : '';
}

/** The reason when this message is the last of the answer, else null. */
function endOf(message: WireMessage): EndReason | null {
  if (message.end_turn !== true || message.status === 'in_progress') {
    return message.status === 'finished_partial_completion' ? 'length' : null;
  }
  return toEndReason(message.metadata?.finish_details?.type);
}

function toEndReason(type: unknown): EndReason {
  switch (type) {
    case 'max_tokens':
      return 'length';
    case 'content_filter':
      return 'content_filter';
    default:
      return 'stop';
  }
}

function isNoneOr(value: unknown, expected: string): boolean {
  return value === undefined || value === null || value === expected;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
