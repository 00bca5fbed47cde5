import { ChatError } from '../errors.ts';
import type { Turn } from '../conversation/turn.ts';
import {
  type Fields,
  invalidValue,
  isFields,
  readBoolean,
  readCount,
  readString,
  unsupported,
} from './fields.ts';
import { parseMessages } from './messages.ts';
import { resolveModel } from './models.ts';

const DEFAULT_MODEL = 'gpt-3.5-turbo';
/** The name is echoed in every chunk of a stream. */
const MAX_MODEL_CHARS = 256;
const MAX_CHOICES = 8;
const MAX_STOPS = 4;
/** What may stand in an HTTP header value; real ones are uuids. */
const ACCOUNT_ID = /^[\w.:-]{1,128}$/;

export interface ChatRequest {
  readonly turn: Turn;
  readonly requestedModel: string;
  /** The model's name in our answers. */
  readonly responseModel: string;
  readonly stream: boolean;
  /** Only ever true for a stream; other answers always carry usage. */
  readonly includeUsage: boolean;
  /** In tokens of the model's encoding; null: no limit. */
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  /** How many answers to the same question, each a turn of its own. */
  readonly n: number;
  /** The body field `Chatgpt-Account-Id`, fit for a header. */
  readonly accountId: string | null;
}

export interface ChatRequestDefaults {
  readonly historyDisabled: boolean;
  readonly uploadByUrl: boolean;
}

/**
 * The JSON body of a chat request, checked. Throws a ChatError (`invalid_value`,
 * `missing_required_parameter`, `unsupported_parameter`) naming the field. Sampling parameters,
 * `response_format`, `tools` that need not be called, and unknown fields are ignored.
 */
export function parseChatRequest(body: unknown, defaults: ChatRequestDefaults): ChatRequest {
  if (!isFields(body)) throw new ChatError('invalid_value', 'The request body must be a JSON object.');
  refuseUnsupported(body);
  const requestedModel = parseModel(body);
  const { slug, gizmoId, responseModel } = resolveModel(requestedModel);
  const stream = readBoolean(body, 'stream') ?? false;
  return {
    turn: {
      model: { slug, gizmoId },
      messages: parseMessages(body['messages'], defaults),
      keepHistory: !(readBoolean(body, 'history_disabled') ?? defaults.historyDisabled),
      conversationId: readString(body, 'conversation_id') || null,
      parentMessageId: readString(body, 'parent_message_id') || null,
      hints: [],
    },
    requestedModel,
    responseModel,
    stream,
    includeUsage: stream && parseIncludeUsage(body['stream_options']),
    maxTokens: parseMaxTokens(body),
    stop: parseStop(body['stop'] ?? []),
    n: readCount(body, 'n', MAX_CHOICES) ?? 1,
    accountId: parseAccountId(body),
  };
}

/** What a web chat cannot do and a client would miss, as opposed to what can be ignored. */
function refuseUnsupported(body: Fields): void {
  if (readBoolean(body, 'logprobs') === true || (body['top_logprobs'] ?? 0) !== 0) {
    const param = body['logprobs'] === true ? 'logprobs' : 'top_logprobs';
    throw unsupported(param, 'A web chat does not tell log probabilities.');
  }
  if ((body['audio'] ?? null) !== null) throw unsupported('audio', 'Only text answers are supported.');
  refuseAudioModality(body['modalities'] ?? []);
  refuseForcedCall(body, 'tool_choice');
  refuseForcedCall(body, 'function_call');
}

function refuseAudioModality(modalities: unknown): void {
  if (!Array.isArray(modalities)) throw invalidValue('modalities', 'an array of strings', modalities);
  if (modalities.includes('audio')) throw unsupported('modalities', "Only ['text'] is supported.");
}

/** Without function calling the model answers in text, which is what `auto` and `none` allow. */
function refuseForcedCall(body: Fields, name: 'tool_choice' | 'function_call'): void {
  const choice = body[name] ?? 'auto';
  if (choice === 'required' || isFields(choice)) {
    throw unsupported(name, "A web chat has no function calling; only 'auto' and 'none' are supported.");
  }
  if (choice !== 'auto' && choice !== 'none') throw invalidValue(name, "'auto' or 'none'", choice);
}

function parseModel(body: Fields): string {
  const model = readString(body, 'model') ?? DEFAULT_MODEL;
  if (model !== '' && model.length <= MAX_MODEL_CHARS) return model;
  throw new ChatError(
    'invalid_value',
    `Invalid value for 'model': expected 1 to ${MAX_MODEL_CHARS} characters, got ${model.length}.`,
    { param: 'model' },
  );
}

function parseIncludeUsage(options: unknown): boolean {
  if (options === undefined || options === null) return false;
  if (!isFields(options)) throw invalidValue('stream_options', 'an object', options);
  return readBoolean(options, 'include_usage', 'stream_options.include_usage') ?? false;
}

/** `max_tokens` is the older name of the same limit. */
function parseMaxTokens(body: Fields): number | null {
  const older = readCount(body, 'max_tokens');
  return readCount(body, 'max_completion_tokens') ?? older;
}

function parseStop(value: unknown): readonly string[] {
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (stops.length <= MAX_STOPS && stops.every(isStopSequence)) return stops;
  throw new ChatError(
    'invalid_value',
    `Invalid value for 'stop': expected a non-empty string or an array of up to ${MAX_STOPS} of them.`,
    { param: 'stop' },
  );
}

/** Half a surrogate pair is no text, and cutting at one would break a character. */
function isStopSequence(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/\p{Cs}/u.test(value);
}

function parseAccountId(body: Fields): string | null {
  const id = readString(body, 'Chatgpt-Account-Id') || null;
  if (id === null || ACCOUNT_ID.test(id)) return id;
  throw new ChatError('invalid_value', "Invalid value for 'Chatgpt-Account-Id': expected an account's id.", {
    param: 'Chatgpt-Account-Id',
  });
}
