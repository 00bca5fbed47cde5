import { ChatError } from '../errors.ts';
import type { Turn } from '../conversation/turn.ts';
import {
  type Fields,
  invalidValue,
  isFields,
  missing,
  readBoolean,
  readCount,
  readString,
  unsupported,
} from './fields.ts';
import { resolveModel } from './models.ts';

/** In which form the images are wanted; both at once where the client did not say and may expect either. */
export interface ImageForms {
  readonly url: boolean;
  readonly base64: boolean;
}

export interface ImageRequest {
  /** The question to ask once per image. */
  readonly turn: Turn;
  /** How many images. */
  readonly n: number;
  readonly forms: ImageForms;
}

export interface ImagesBody {
  /** Unix seconds. */
  readonly created: number;
  readonly data: readonly { readonly url?: string; readonly b64_json?: string }[];
}

/** Names of the API's own image models are no chat models: they run on this one. */
const DRAWING_MODEL = 'gpt-4o';
const IMAGE_MODEL = /^(?:dall-e|gpt-image|chatgpt-image)/;
const MAX_PROMPT_CHARS = 32_000;
const MAX_IMAGES = 10;
const MAX_MODEL_CHARS = 256;
const SIZE = /^(?:auto|[1-9]\d{1,4}x[1-9]\d{1,4})$/;

/**
 * The JSON body of an image request, checked. Throws a ChatError that names the field. What a web
 * chat cannot be told (`quality`, `style`, `background`, ...) and unknown fields are ignored.
 */
export function parseImageRequest(body: unknown): ImageRequest {
  if (!isFields(body)) throw new ChatError('invalid_value', 'The request body must be a JSON object.');
  if (readBoolean(body, 'stream') === true) {
    throw unsupported('stream', 'Images come whole; leave it out or send false.');
  }
  const model = parseModel(body);
  const { slug, gizmoId } = resolveModel(IMAGE_MODEL.test(model) ? DRAWING_MODEL : model);
  const text = toQuestion(parsePrompt(body['prompt']), parseSize(body));
  return {
    turn: {
      model: { slug, gizmoId },
      messages: [{ role: 'user', parts: [{ type: 'text', text }] }],
      keepHistory: false,
      conversationId: null,
      parentMessageId: null,
      hints: ['picture_v2'],
    },
    n: readCount(body, 'n', MAX_IMAGES) ?? 1,
    forms: parseForms(body, model),
  };
}

function parseModel(body: Fields): string {
  const model = readString(body, 'model') ?? DRAWING_MODEL;
  if (model !== '' && model.length <= MAX_MODEL_CHARS) return model;
  throw outOfRange('model', `1 to ${MAX_MODEL_CHARS} characters`, model.length);
}

function parsePrompt(value: unknown): string {
  if (value === undefined || value === null) throw missing('prompt', 'what to draw');
  if (typeof value !== 'string') throw invalidValue('prompt', 'a string', value);
  if (value.trim() !== '' && value.length <= MAX_PROMPT_CHARS) return value;
  throw outOfRange('prompt', `1 to ${MAX_PROMPT_CHARS} characters that are not all blank`, value.length);
}

/** Null: the model may choose. */
function parseSize(body: Fields): string | null {
  const size = readString(body, 'size') ?? 'auto';
  if (SIZE.test(size)) return size === 'auto' ? null : size;
  throw new ChatError(
    'invalid_value',
    "Invalid value for 'size': expected 'auto' or a size such as '1024x1024'.",
    {
      param: 'size',
    },
  );
}

function parseForms(body: Fields, model: string): ImageForms {
  const format = readString(body, 'response_format');
  switch (format) {
    case 'url':
      return { url: true, base64: false };
    case 'b64_json':
      return { url: false, base64: true };
    case null:
      // In the real API these models have no URLs, so that their users look for the bytes.
      return { url: true, base64: /^(?:chat)?gpt-image/.test(model) };
    default:
      throw new ChatError(
        'invalid_value',
        "Invalid value for 'response_format': expected 'url' or 'b64_json'.",
        {
          param: 'response_format',
        },
      );
  }
}

function toQuestion(prompt: string, size: string | null): string {
  const shape = size === null ? '' : ` The image shall measure ${size.replace('x', ' by ')} pixels.`;
  return `Draw exactly one image as described below, without asking back.${shape}\n\n${prompt}`;
}

function outOfRange(param: string, expected: string, length: number): ChatError {
  return new ChatError(
    'invalid_value',
    `Invalid value for '${param}': expected ${expected}, got ${length}.`,
    {
      param,
    },
  );
}
