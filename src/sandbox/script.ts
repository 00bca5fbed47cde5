import type { JsonObject } from './json-shape.ts';

/** A message of the backend, as both stream encodings carry it. */
export interface Message {
  readonly id: string;
  readonly author: { readonly role: string; readonly name: string | null; readonly metadata: JsonObject };
  readonly create_time: number;
  readonly update_time: number | null;
  readonly content: JsonObject;
  readonly status: 'in_progress' | 'finished_successfully' | 'finished_partial_completion';
  readonly end_turn: boolean | null;
  readonly weight: number;
  readonly metadata: JsonObject;
  readonly recipient: string;
  readonly channel: string | null;
}

/** The envelope in which a message travels. */
export interface Document {
  readonly message: Message;
  readonly conversation_id: string;
  readonly error: null;
}

/**
 * One thing that happens in a turn. A `message` step shows a message as it stands: an id seen
 * before makes it a further revision. The other steps are told differently by each encoding,
 * or by one of them only.
 */
export type Step =
  | { readonly kind: 'message'; readonly message: Message; readonly paced: boolean }
  | { readonly kind: 'first-token'; readonly messageId: string }
  | { readonly kind: 'moderation'; readonly messageId: string; readonly blocked: boolean }
  | { readonly kind: 'complete'; readonly messageId: string; readonly model: string }
  | { readonly kind: 'title'; readonly title: string }
  | { readonly kind: 'limits'; readonly model: string };

/** One turn, from which every encoding is derived. Its steps can be walked once. */
export interface Script {
  readonly conversationId: string;
  readonly steps: Iterable<Step>;
}

export function toDocument(script: Script, message: Message): Document {
  return { message, conversation_id: script.conversationId, error: null };
}
