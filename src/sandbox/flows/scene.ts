import type { JsonObject } from '../json-shape.ts';
import type { Message, MessageStep } from '../script.ts';

/** A file that a turn makes for its caller. */
export interface MadeFile {
  readonly name: string;
  readonly mimeType: string;
  readonly bytes: Buffer;
  /** `file-service` is the older way to point at it. */
  readonly scheme: 'file-service' | 'sediment';
  /** Where a code interpreter has it, such as `/mnt/data/r.csv`; null: nowhere. */
  readonly sandboxPath: string | null;
}

/** What all messages of one turn have in common, and what making them takes. */
export interface Scene {
  readonly model: string;
  readonly gizmoId: string | null;
  readonly parentId: string;
  readonly messageType: 'next' | 'continue' | 'variant';
  readonly requestId: string;
  /** Epoch seconds with a fraction. */
  readonly createdAtS: number;
  readonly prompt: string;
  /** How long the tool draws that does not draw at once; null: for ever. */
  readonly drawingMs: number | null;
  newId(): string;
  /** Keeps a file and returns the pointer to it. */
  keep(file: MadeFile): string;
}

/** A message of the assistant that has just begun; `fields` say what is different about it. */
export function begin(scene: Scene, fields: Partial<Message> = {}): Message {
  return {
    id: fields.id ?? scene.newId(),
    author: { role: 'assistant', name: null, metadata: {} },
    create_time: scene.createdAtS,
    update_time: null,
    content: toText(''),
    status: 'in_progress',
    end_turn: null,
    weight: 1,
    recipient: 'all',
    channel: null,
    ...fields,
    metadata: {
      citations: [],
      gizmo_id: scene.gizmoId,
      message_type: scene.messageType,
      model_slug: scene.model,
      default_model_slug: scene.model,
      parent_id: scene.parentId,
      model_switcher_deny: [],
      ...fields.metadata,
    },
  };
}

/** A message of a tool that has just begun. */
export function beginTool(scene: Scene, name: string, fields: Partial<Message> = {}): Message {
  return begin(scene, { author: { role: 'tool', name, metadata: {} }, ...fields });
}

/** The last revision of a message after which the turn goes on. */
export function handOver(message: Message, metadata: JsonObject = {}): Message {
  return {
    ...message,
    status: 'finished_successfully',
    end_turn: message.author.role === 'tool' ? null : false,
    metadata: { ...message.metadata, ...metadata },
  };
}

export function show(message: Message, paced = false): MessageStep {
  return { kind: 'message', message, paced };
}

/** A message from its beginning to its hand-over, its content growing piece by piece. */
export function* grow(
  message: Message,
  pieces: readonly string[],
  toContent: (text: string) => JsonObject,
  last: JsonObject = {},
): Generator<MessageStep> {
  yield show({ ...message, content: toContent('') });
  let text = '';
  for (const piece of pieces) {
    text += piece;
    yield show({ ...message, content: toContent(text) }, true);
  }
  yield show(handOver({ ...message, content: toContent(text) }, last));
}

export function toText(text: string): JsonObject {
  return { content_type: 'text', parts: [text] };
}

export function toCode(language: string): (text: string) => JsonObject {
  return (text) => ({ content_type: 'code', language, response_format_name: null, text });
}
