import type { Asset, Citation, DecodedEvent, EndReason, TurnStart } from '../../conversation/events.ts';
import { withoutSigns } from './markers.ts';

/** A message that takes part in the answer. `release`: another one goes on, give what is held back. */
export interface FlowSource {
  release(): void;
}

const MAX_IMAGES = 64;

/** Where in the conversation something is said. */
export interface Place extends Omit<TurnStart, 'type'> {
  /** Part of the answer itself, not of the way to it: a conversation can go on from here. */
  readonly isShown: boolean;
}

/**
 * What the messages of an answer say, as one well-formed sequence of events: a start before all,
 * blocks that never overlap, a break between texts of different messages, each image once.
 */
export class AnswerFlow {
  readonly #emit: (event: DecodedEvent) => void;
  /** Pointers; few, and in most answers none. */
  readonly #images: string[] = [];
  #hasStarted = false;
  #conversationId: string | null = null;
  #messageId: string | null = null;
  #source: FlowSource | null = null;
  #textSource: FlowSource | null = null;
  #reasoningSource: FlowSource | null = null;
  #inBlock = false;
  #hasContent = false;

  constructor(emit: (event: DecodedEvent) => void) {
    this.#emit = emit;
  }

  /** True once the answer holds something that is not reasoning. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** From here on `source` speaks; must come before what it says. `place` counts the first time only. */
  take(source: FlowSource, place: Place): void {
    this.start(place);
    if (this.#source === source) return;
    this.#source?.release();
    this.#endBlock();
    this.#source = source;
    if (place.isShown) this.#moveTo(place);
  }

  start({ conversationId, messageId, modelSlug }: Place): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#conversationId = conversationId;
    this.#messageId = messageId;
    this.#emit({ type: 'turn-start', conversationId, messageId, modelSlug });
  }

  text(text: string): void {
    this.#inText();
    this.#emit({ type: 'text-delta', text });
  }

  citation(links: Citation['links']): void {
    this.#inText();
    this.#emit({ type: 'citation', links });
  }

  file(path: string, link: Asset): void {
    this.#inText();
    this.#emit({ type: 'file', link, path });
  }

  reasoning(text: string): void {
    const clean = withoutSigns(text);
    if (clean === '') return;
    const isNext = this.#reasoningSource !== null && this.#reasoningSource !== this.#source;
    this.#reasoningSource = this.#source;
    this.#emit({ type: 'reasoning-delta', text: isNext ? `\n\n${clean}` : clean });
  }

  /** Opens a block of the source that speaks, unless it has one open. */
  block(kind: 'code' | 'output', language: string | null, text: string): void {
    const clean = withoutSigns(text);
    if (clean === '') return;
    this.#hasContent = true;
    if (!this.#inBlock) this.#emit({ type: 'block-start', kind, language });
    this.#inBlock = true;
    this.#emit({ type: 'block-delta', text: clean });
  }

  /** Ends the source's block, if it is the one that is open. */
  endBlockOf(source: FlowSource): void {
    if (source === this.#source) this.#endBlock();
  }

  image(pointer: string, conversationId: string | null): void {
    if (this.#images.includes(pointer) || this.#images.length >= MAX_IMAGES) return;
    this.#images.push(pointer);
    this.#endBlock();
    this.#hasContent = true;
    this.#emit({ type: 'image', link: { kind: 'pointer', pointer, conversationId } });
  }

  /** May come again after `take`: an answer that was cut can be asked on. */
  end(reason: EndReason): void {
    this.#source?.release();
    this.#endBlock();
    this.#emit({ type: 'turn-end', reason });
  }

  #moveTo(place: Place): void {
    const conversationId = place.conversationId ?? this.#conversationId;
    const messageId = place.messageId ?? this.#messageId;
    if (conversationId === this.#conversationId && messageId === this.#messageId) return;
    this.#conversationId = conversationId;
    this.#messageId = messageId;
    this.#emit({ type: 'message-start', conversationId, messageId });
  }

  #inText(): void {
    this.#endBlock();
    if (this.#textSource !== null && this.#textSource !== this.#source) this.#emit({ type: 'message-break' });
    this.#textSource = this.#source;
    this.#hasContent = true;
  }

  #endBlock(): void {
    if (this.#inBlock) this.#emit({ type: 'block-end' });
    this.#inBlock = false;
  }
}
