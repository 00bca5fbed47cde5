import type { Ask, MessagePart, TurnMessage, UploadedFile } from '../../conversation/turn.ts';

/** A browser window of this size in this time zone; the backend wants some of each. */
const TIMEZONE = 'America/Los_Angeles';
export const TIMEZONE_OFFSET_MIN = -480;
const WINDOW = {
  is_dark_mode: false,
  time_since_loaded: 60,
  page_height: 900,
  page_width: 1600,
  pixel_ratio: 1,
  screen_height: 1080,
  screen_width: 1920,
};
/** What every call says the same, as it stands at the end of the body. */
const SAME_FOR_ALL = JSON.stringify({
  // Without it the backend may answer with the address of a web socket instead of a stream.
  force_use_sse: true,
  supported_encodings: ['v1'],
  force_nulligen: false,
  force_paragen: false,
  force_paragen_model_slug: '',
  force_rate_limit: false,
  reset_rate_limits: false,
  suggestions: [],
  timezone: TIMEZONE,
  timezone_offset_min: TIMEZONE_OFFSET_MIN,
  variant_purpose: 'comparison_implicit',
  client_contextual_info: WINDOW,
  paragen_cot_summary_display_override: 'allow',
  paragen_stream_type_override: null,
}).slice(1);

export interface EncodedTurn {
  /** The body of the conversation call. */
  readonly json: string;
  /** Under which the backend will know the question's messages, in their order. */
  readonly messageIds: readonly string[];
}

/**
 * `newId` makes uuids; every call makes new ones, for the backend knows a message by its id alone. A cut
 * answer is continued in its own place, and nothing is asked anew.
 */
export function encodeTurn({ turn, uploads, continued }: Ask, newId: () => string): EncodedTurn {
  const messages = continued === null ? turn.messages : [];
  const messageIds = messages.map(() => newId());
  const encoded = messages.map((message, at) => encodeMessage(message, uploads, messageIds[at] ?? newId()));
  const conversationId = continued?.conversationId ?? turn.conversationId;
  // What is undefined is left out of JSON. A literal that spreads others before its own fields is put together
  // field by field at run time: 37 us of this turn instead of 0.6.
  const own = JSON.stringify({
    action: continued === null ? 'next' : 'continue',
    messages: continued === null ? encoded : undefined,
    conversation_id: conversationId ?? undefined,
    parent_message_id: continued?.messageId ?? turn.parentMessageId ?? newId(),
    model: turn.model.slug,
    conversation_mode: encodeMode(turn.model.gizmoId),
    history_and_training_disabled: !turn.keepHistory,
    system_hints: turn.hints,
    websocket_request_id: newId(),
  });
  return { json: `${own.slice(0, -1)},${SAME_FOR_ALL}`, messageIds };
}

function encodeMessage({ role, parts }: TurnMessage, uploads: Ask['uploads'], id: string): object {
  if (parts.every((part) => part.type === 'text')) {
    const text = parts.map((part) => part.text).join('');
    return { id, author: { role }, content: { content_type: 'text', parts: [text] }, metadata: {} };
  }
  const files = parts.flatMap((part) => (part.type === 'attachment' ? [uploaded(part, uploads)] : []));
  const encoded = parts.flatMap((part) => encodePart(part, uploads));
  return {
    id,
    author: { role },
    content: { content_type: 'multimodal_text', parts: encoded.length === 0 ? [''] : encoded },
    metadata: { attachments: files.map(encodeAttachment) },
  };
}

/** What the model sees in its place; other files than images are only attached. */
function encodePart(part: MessagePart, uploads: Ask['uploads']): (string | object)[] {
  if (part.type === 'text') return [part.text];
  const { id, sizeBytes, width, height } = uploaded(part, uploads);
  if (width === null || height === null) return [];
  const scheme = id.startsWith('file_') ? 'sediment' : 'file-service';
  const pointer = `${scheme}://${id}`;
  return [
    { content_type: 'image_asset_pointer', asset_pointer: pointer, size_bytes: sizeBytes, width, height },
  ];
}

function encodeAttachment({ id, name, mimeType, sizeBytes, width, height }: UploadedFile): object {
  const size = width === null || height === null ? {} : { width, height };
  return { id, size: sizeBytes, name, mime_type: mimeType, ...size };
}

function uploaded(
  { attachment }: Extract<MessagePart, { type: 'attachment' }>,
  uploads: Ask['uploads'],
): UploadedFile {
  const file = uploads.get(attachment);
  if (file === undefined) throw new TypeError(`${attachment.param} was not uploaded`);
  return file;
}

function encodeMode(gizmoId: string | null): object {
  return gizmoId === null ? { kind: 'primary_assistant' } : { kind: 'gizmo_interaction', gizmo_id: gizmoId };
}
