import type { Turn, TurnMessage } from '../../conversation/turn.ts';

/** A browser window of this size in this time zone; the backend wants some of each. */
const TIMEZONE = 'America/Los_Angeles';
const TIMEZONE_OFFSET_MIN = -480;
const WINDOW = {
  is_dark_mode: false,
  time_since_loaded: 60,
  page_height: 900,
  page_width: 1600,
  pixel_ratio: 1,
  screen_height: 1080,
  screen_width: 1920,
};

/** An answer that upstream cut and is to go on with. */
export interface CutAnswer {
  readonly conversationId: string;
  readonly messageId: string;
}

export interface EncodedTurn {
  /** The body of the conversation call. */
  readonly json: string;
  /** Under which the backend will know the question's messages, in their order. */
  readonly messageIds: readonly string[];
}

/** `newId` makes uuids; every call makes new ones, for the backend knows a message by its id alone. */
export function encodeTurn(turn: Turn, newId: () => string, continued: CutAnswer | null = null): EncodedTurn {
  const messageIds = continued === null ? turn.messages.map(() => newId()) : [];
  const json = JSON.stringify({
    ...(continued === null ? encodeQuestion(turn, messageIds, newId) : encodeContinue(continued)),
    model: turn.model.slug,
    conversation_mode: encodeMode(turn.model.gizmoId),
    history_and_training_disabled: !turn.keepHistory,
    // Without it the backend may answer with the address of a web socket instead of a stream.
    force_use_sse: true,
    supported_encodings: ['v1'],
    force_nulligen: false,
    force_paragen: false,
    force_paragen_model_slug: '',
    force_rate_limit: false,
    reset_rate_limits: false,
    suggestions: [],
    system_hints: turn.hints,
    timezone: TIMEZONE,
    timezone_offset_min: TIMEZONE_OFFSET_MIN,
    variant_purpose: 'comparison_implicit',
    websocket_request_id: newId(),
    client_contextual_info: WINDOW,
    paragen_cot_summary_display_override: 'allow',
    paragen_stream_type_override: null,
  });
  return { json, messageIds };
}

function encodeQuestion(turn: Turn, messageIds: readonly string[], newId: () => string): object {
  return {
    action: 'next',
    messages: turn.messages.map((message, at) => encodeMessage(message, messageIds[at] ?? newId())),
    ...(turn.conversationId === null ? {} : { conversation_id: turn.conversationId }),
    parent_message_id: turn.parentMessageId ?? newId(),
  };
}

function encodeContinue({ conversationId, messageId }: CutAnswer): object {
  return { action: 'continue', conversation_id: conversationId, parent_message_id: messageId };
}

function encodeMessage({ role, parts }: TurnMessage, id: string): object {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  return { id, author: { role }, content: { content_type: 'text', parts: [text] }, metadata: {} };
}

function encodeMode(gizmoId: string | null): object {
  return gizmoId === null ? { kind: 'primary_assistant' } : { kind: 'gizmo_interaction', gizmo_id: gizmoId };
}
