import { ChatError } from '../../errors.ts';
import type { DecodedEvent, EndReason, PendingDrawing } from '../../conversation/events.ts';
import { AnswerFlow } from './answer-flow.ts';
import type { Place } from './answer-flow.ts';
import { AnswerText } from './answer-text.ts';
import { DocumentReader } from './document-reader.ts';
import { textOr } from './loose.ts';
import { isComplete, isDrawnLater, kindOf, textOf } from './message-kind.ts';
import type { MessageKind } from './message-kind.ts';
import type { MessageReader } from './reader.ts';
import { CallReader, ThinkingReader, ThoughtsReader, promptOf, recapOf } from './reasoning-readers.ts';
import { BlockReader, PicturesReader } from './tool-readers.ts';
import type { WireEnvelope, WireMessage } from './wire.ts';

const MAX_MESSAGES = 256;

interface Known {
  readonly kind: MessageKind;
  readonly id: string;
  readonly reader: MessageReader;
}

/** A message in progress, as it was last read. */
interface Growing {
  readonly envelope: WireEnvelope;
  readonly message: WireMessage;
  readonly reader: MessageReader;
  readonly place: Place;
}

/**
 * Messages as they grow to the events of a turn. Both stream encodings end here. What was emitted is
 * never emitted again, whatever upstream does to it afterwards.
 */
export class AnswerReader {
  readonly #flow: AnswerFlow;
  /** Messages of the question: the backend may echo them, assistant ones included. */
  readonly #askedIds: ReadonlySet<string>;
  /** By kind and id: a message that turns into something else is read anew. Oldest first; most answers have one. */
  readonly #known: Known[] = [];
  #conversationId: string | null = null;
  #reason: EndReason | null = null;
  #hasPictures = false;
  /** The message read last, if its text can grow without changing what it is. */
  #growing: Growing | null = null;
  /** Ids of messages whose text may be there no more; null: no text was that long. */
  #forgotten: Set<string> | null = null;
  /** The message that puts a drawing off. */
  #announcement: { readonly messageId: string | null } | null = null;

  constructor(emit: (event: DecodedEvent) => void, askedIds: ReadonlySet<string>) {
    this.#flow = new AnswerFlow(emit);
    this.#askedIds = askedIds;
  }

  /** True once the answer holds something to show; thoughts alone are no answer. */
  get hasContent(): boolean {
    return this.#flow.hasContent;
  }

  /** Why the answer ended, or null while upstream has not said that it did. */
  get endReason(): EndReason | null {
    return this.#reason;
  }

  /** A drawing that was put off and has not come: upstream goes on with it after the stream. */
  get pending(): PendingDrawing | null {
    const conversationId = this.#conversationId;
    if (this.#announcement === null || conversationId === null) return null;
    if (this.#hasPictures || this.#reason === 'content_filter') return null;
    return { ...this.#announcement, conversationId };
  }

  /**
   * Reads a message after it changed. `appended`: only this was added to its text since the last
   * call; null: compare.
   */
  read(envelope: WireEnvelope, appended: string | null): void {
    this.#growing = null;
    this.#conversationId = textOr(envelope.conversation_id, this.#conversationId);
    const message = envelope.message;
    if (typeof message !== 'object' || message === null) return;
    const kind = kindOf(message);
    const id = textOr(message.id, '');
    if (this.#askedIds.has(id)) return;
    if (isDrawnLater(message)) this.#announcement = { messageId: textOr(message.id, null) };
    if (kind === 'hidden') return;
    const growth = hasSeveralParts(message) ? null : appended;
    const reader = this.#readerOf(id, kind);
    const place = this.#placeOf(message, kind);
    const said = reader.read(message, growth, place);
    if (!isComplete(message) && !hasSeveralParts(message))
      this.#growing = { envelope, message, reader, place };
    if (said && kind === 'pictures') this.#hasPictures = true;
    this.#reason = endOf(message, kind) ?? (said ? null : this.#reason);
  }

  /**
   * As `read`, of the envelope that was read last, when nothing but `appended` was added to its text. False:
   * it has to be read. Not to find out again what the message is saves a sixth of the decoding of a v1 event
   * (bench decode).
   */
  grow(envelope: WireEnvelope, appended: string): boolean {
    if (this.#growing?.envelope !== envelope) return false;
    const { message, reader, place } = this.#growing;
    if (reader.read(message, appended, place)) this.#reason = null;
    return true;
  }

  /**
   * How much of the text of a message in progress was emitted and is never read again, in UTF-16 units. From
   * then on something else may stand in its place, and the message cannot be read anew.
   */
  takenOf(envelope: WireEnvelope): number {
    if (this.#growing?.envelope !== envelope) return 0;
    const { message, reader } = this.#growing;
    this.#forgotten ??= new Set();
    this.#forgotten.add(textOr(message.id, ''));
    return reader.taken;
  }

  /** Upstream's moderation stopped the answer. */
  block(): void {
    this.#reason = 'content_filter';
  }

  /** Upstream was asked to go on with the finished answer: its messages grow from where they are. */
  goOn(): void {
    this.#reason = null;
    this.#announcement = null;
    this.#growing = null;
  }

  /** Nothing more comes. Must be called once for each stream, after a complete answer. */
  finish(): void {
    this.#flow.start({
      conversationId: this.#conversationId,
      messageId: null,
      modelSlug: null,
      isShown: false,
    });
    this.#flow.end(this.#reason ?? 'stop');
  }

  #placeOf(message: WireMessage, kind: MessageKind): Place {
    return {
      conversationId: this.#conversationId,
      messageId: textOr(message.id, null),
      modelSlug: textOr(message.metadata?.model_slug, null),
      isShown: isShown(kind),
    };
  }

  #readerOf(id: string, kind: MessageKind): MessageReader {
    const known = this.#known.findLast((one) => one.kind === kind && one.id === id);
    if (known !== undefined) return known.reader;
    if (this.#forgotten?.has(id) === true)
      throw new ChatError('upstream_protocol_error', 'Upstream made something else of a long message.');
    if (this.#known.length >= MAX_MESSAGES) this.#known.shift();
    const reader = createReader(kind, this.#flow);
    this.#known.push({ kind, id, reader });
    return reader;
  }
}

function createReader(kind: MessageKind, flow: AnswerFlow): MessageReader {
  switch (kind) {
    case 'code':
      return new BlockReader(flow, 'code');
    case 'output':
    case 'failure':
      return new BlockReader(flow, 'output');
    case 'pictures':
      return new PicturesReader(flow);
    case 'document':
      return new DocumentReader(flow);
    case 'search':
      return new CallReader(flow, (call) => call);
    case 'drawing':
      return new CallReader(flow, promptOf);
    case 'thoughts':
      return new ThoughtsReader(flow);
    case 'recap':
      return new ThinkingReader(flow, recapOf);
    case 'thinking':
      return new ThinkingReader(flow, textOf);
    case 'answer':
    case 'hidden':
      return new AnswerText(flow);
  }
}

/** What is added to the first part is then not at the end. */
function hasSeveralParts({ content }: WireMessage): boolean {
  return Array.isArray(content?.parts) && content.parts.length !== 1;
}

/** Part of the answer itself, not of the way to it. */
function isShown(kind: MessageKind): boolean {
  return (
    kind === 'answer' || kind === 'code' || kind === 'output' || kind === 'pictures' || kind === 'document'
  );
}

/** The reason when this message is the last of the answer, else null. */
function endOf(message: WireMessage, kind: MessageKind): EndReason | null {
  if (!isComplete(message) || !isShown(kind)) return null;
  const reason = toEndReason(message.metadata?.finish_details?.type);
  if (message.end_turn === true || reason === 'length') return reason;
  return message.status === 'finished_partial_completion' ? 'length' : null;
}

function toEndReason(type: unknown): EndReason {
  switch (type) {
    case 'max_tokens':
    case 'interrupted':
      return 'length';
    case 'content_filter':
      return 'content_filter';
    default:
      return 'stop';
  }
}
