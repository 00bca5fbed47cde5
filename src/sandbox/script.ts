import type { JsonObject } from './json-shape.ts';
import type { Encoding } from './scenario.ts';

/** A message of the backend, as both stream encodings carry it. */
export interface Message {
  readonly id: string;
  readonly author: { readonly role: string; readonly name: string | null; readonly metadata: JsonObject };
  readonly create_time: number;
  readonly update_time: number | null;
  readonly content: JsonObject;
  /** `in_progress`, `finished_successfully` or `finished_partial_completion`; a raw script may say anything. */
  readonly status: string;
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

/** A message as it stands: an id seen before makes it a further revision. */
export interface MessageStep {
  readonly kind: 'message';
  readonly message: Message;
  readonly paced: boolean;
  /** Told in this encoding only: messages that both write differently come once for each. */
  readonly only?: Encoding;
}

/**
 * One thing that happens in a turn. A `raw` step is an event as it stands, with nothing around
 * it. The others are told differently by each encoding, or by one of them only.
 */
export type Step =
  | MessageStep
  | { readonly kind: 'raw'; readonly value: unknown; readonly only?: Encoding }
  /** A message that is in the conversation so long after, and in no stream; null: never. */
  | { readonly kind: 'late'; readonly message: Message; readonly afterMs: number | null }
  | { readonly kind: 'first-token'; readonly messageId: string; readonly only?: Encoding }
  | { readonly kind: 'moderation'; readonly messageId: string; readonly blocked: boolean }
  | { readonly kind: 'complete'; readonly messageId: string; readonly model: string }
  | { readonly kind: 'title'; readonly title: string }
  | { readonly kind: 'limits'; readonly model: string };

/** One turn, from which every encoding is derived. Its steps can be walked once. */
export interface Script {
  readonly conversationId: string;
  readonly steps: Iterable<Step>;
}

/** The steps of a script that an encoding tells. */
export function* stepsFor(script: Script, encoding: Encoding): Generator<Step> {
  for (const step of script.steps) {
    if (!('only' in step) || step.only === undefined || step.only === encoding) yield step;
  }
}

export function toDocument(script: Script, message: Message): Document {
  return { message, conversation_id: script.conversationId, error: null };
}
