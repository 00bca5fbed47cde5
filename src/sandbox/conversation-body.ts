import {
  checkFields,
  filledList,
  flag,
  list,
  listOf,
  literal,
  missing,
  nullable,
  object,
  text,
  tooShort,
  typed,
  uuid,
  whole,
  type Check,
  type FieldProblem,
  type Loc,
} from './field-checks.ts';
import { isObject, isUuid, type JsonObject } from './json-shape.ts';

export interface InputMessage {
  readonly id: string;
  readonly role: string;
  readonly content: JsonObject;
  readonly metadata: JsonObject;
}

/** What a conversation call asks for, as far as the sandbox acts on it. */
export interface ConversationBody {
  readonly action: 'next' | 'continue' | 'variant';
  /** Empty for `continue`. */
  readonly messages: readonly InputMessage[];
  readonly model: string;
  readonly gizmoId: string | null;
  readonly parentMessageId: string;
  readonly conversationId: string | null;
  readonly temporary: boolean;
  readonly encodings: readonly string[];
  /** What the site's buttons ask for, such as `picture_v2`. */
  readonly hints: readonly string[];
}

export type ParsedBody =
  | { readonly ok: true; readonly body: ConversationBody; readonly chars: number }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

const ACTIONS = ['next', 'continue', 'variant'] as const;
const ROLES = ['system', 'user', 'assistant', 'tool', 'critic'] as const;
/** The one parent that is not a message. */
const ROOT_PARENT = 'client-created-root';

const parent = typed('uuid_parsing', 'Input should be a valid UUID', (v) => v === ROOT_PARENT || isUuid(v));
const assetPointer = typed(
  'string_pattern_mismatch',
  'String should match a file pointer',
  (value) => typeof value === 'string' && /^(file-service|sediment):\/\/\S+$/.test(value),
);

const REQUIRED: Readonly<Record<string, Check>> = {
  action: literal(ACTIONS),
  model: text,
  parent_message_id: parent,
};

const OPTIONAL: Readonly<Record<string, Check>> = {
  conversation_id: nullable(uuid),
  conversation_mode: checkMode,
  force_nulligen: flag,
  force_paragen: flag,
  force_paragen_model_slug: text,
  force_rate_limit: flag,
  force_use_sse: flag,
  history_and_training_disabled: flag,
  reset_rate_limits: flag,
  suggestions: list,
  timezone_offset_min: whole,
  timezone: text,
  variant_purpose: text,
  websocket_request_id: uuid,
  client_contextual_info: object,
  supported_encodings: listOf(text),
  system_hints: listOf(text),
  enable_message_followups: flag,
  supports_buffering: flag,
};

/** Reads a conversation body the way a schema-checked service does: every problem, each with its place. */
export function parseConversationBody(json: unknown): ParsedBody {
  if (!isObject(json)) return { ok: false, problems: [missing(['body'])] };
  const problems = [
    ...checkFields(json, REQUIRED, ['body'], true),
    ...checkFields(json, OPTIONAL, ['body'], false),
    ...checkMessages(json),
    ...(json['action'] === 'continue' && json['conversation_id'] === undefined
      ? [missing(['body', 'conversation_id'])]
      : []),
  ];
  if (problems.length > 0) return { ok: false, problems };
  const body = toBody(json);
  return { ok: true, body, chars: body.messages.reduce((sum, message) => sum + textOf(message).length, 0) };
}

/** The words of a message, without its images. */
export function textOf(message: InputMessage): string {
  const parts = message.content['parts'];
  return Array.isArray(parts) ? parts.filter((part) => typeof part === 'string').join('\n') : '';
}

function toBody(json: JsonObject): ConversationBody {
  const mode = isObject(json['conversation_mode']) ? json['conversation_mode'] : {};
  return {
    action: json['action'] as ConversationBody['action'],
    messages: json['action'] === 'continue' ? [] : (json['messages'] as JsonObject[]).map(toMessage),
    model: json['model'] as string,
    gizmoId: (mode['gizmo_id'] as string | undefined) ?? null,
    parentMessageId: json['parent_message_id'] as string,
    conversationId: (json['conversation_id'] as string | null | undefined) ?? null,
    temporary: json['history_and_training_disabled'] === true,
    hints: (json['system_hints'] as string[] | undefined) ?? [],
    encodings: (json['supported_encodings'] as string[] | undefined) ?? [],
  };
}

function toMessage(message: JsonObject): InputMessage {
  return {
    id: message['id'] as string,
    role: (message['author'] as JsonObject)['role'] as string,
    content: message['content'] as JsonObject,
    metadata: (message['metadata'] as JsonObject | undefined) ?? {},
  };
}

function checkMessages(json: JsonObject): readonly FieldProblem[] {
  const loc = ['body', 'messages'];
  const messages = json['messages'];
  if (json['action'] === 'continue') return [];
  if (messages === undefined) return [missing(loc)];
  if (!Array.isArray(messages)) return list(messages, loc);
  if (messages.length === 0) return [tooShort(loc)];
  return messages.flatMap((message, index) => checkMessage(message, [...loc, index]));
}

function checkMessage(message: unknown, loc: Loc): readonly FieldProblem[] {
  if (!isObject(message)) return object(message, loc);
  return [
    ...checkFields(message, { id: uuid, author: checkAuthor, content: checkContent }, loc, true),
    ...checkFields(message, { metadata: object }, loc, false),
  ];
}

function checkAuthor(author: unknown, loc: Loc): readonly FieldProblem[] {
  if (!isObject(author)) return object(author, loc);
  return checkFields(author, { role: literal(ROLES) }, loc, true);
}

function checkContent(content: unknown, loc: Loc): readonly FieldProblem[] {
  if (!isObject(content)) return object(content, loc);
  const kinds = ['text', 'multimodal_text'];
  const part = content['content_type'] === 'multimodal_text' ? checkPart : text;
  return checkFields(content, { content_type: literal(kinds), parts: filledList(part) }, loc, true);
}

function checkPart(part: unknown, loc: Loc): readonly FieldProblem[] {
  if (typeof part === 'string') return [];
  if (!isObject(part)) return object(part, loc);
  const fields = {
    content_type: literal(['image_asset_pointer']),
    asset_pointer: assetPointer,
    size_bytes: whole,
    width: whole,
    height: whole,
  };
  return checkFields(part, fields, loc, true);
}

function checkMode(mode: unknown, loc: Loc): readonly FieldProblem[] {
  if (!isObject(mode)) return object(mode, loc);
  const kind = literal(['primary_assistant', 'gizmo_interaction']);
  const gizmo = mode['kind'] === 'gizmo_interaction' ? { gizmo_id: text } : {};
  return checkFields(mode, { kind, ...gizmo }, loc, true);
}
