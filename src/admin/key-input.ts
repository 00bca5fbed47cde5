import { ChatError } from '../errors.ts';
import { parseJson } from '../http/json-body.ts';
import type { KeyChange } from './desk.ts';

const MAX_NAME_CHARS = 100;
const MAX_LIMIT = 1_000_000;

/** Limits are taken by the names of the keys file and by those that the API's own answers have. */
const LIMIT_FIELDS = {
  requestsPerMinute: 'requests_per_minute',
  concurrentStreams: 'concurrent_streams',
} as const;

/** What a request wants of a key; what it does not mention is left out. Throws `invalid_json` or `invalid_value`. */
export function parseKeyInput(body: Uint8Array): KeyChange {
  const value = body.byteLength === 0 ? {} : parseJson(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('body', 'Send a JSON object with "name", "requests_per_minute", "concurrent_streams".');
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  return {
    ...nameOf(fields),
    ...limitOf(fields, 'requestsPerMinute'),
    ...limitOf(fields, 'concurrentStreams'),
  };
}

function nameOf(fields: ReadonlyMap<string, unknown>): { readonly name?: string } {
  const name = fields.get('name');
  if (name === undefined) return {};
  const isName = typeof name === 'string' && name.trim() !== '' && name.length <= MAX_NAME_CHARS;
  if (isName && !/\p{Cc}/u.test(name)) return { name: name.trim() };
  throw invalid('name', `"name" is a text of 1 to ${MAX_NAME_CHARS} characters without line breaks.`);
}

function limitOf(fields: ReadonlyMap<string, unknown>, field: keyof typeof LIMIT_FIELDS): KeyChange {
  const param = LIMIT_FIELDS[field];
  const limit = fields.has(param) ? fields.get(param) : fields.get(field);
  if (limit === undefined) return {};
  if (limit === null) return { [field]: null };
  if (Number.isInteger(limit) && Number(limit) >= 1 && Number(limit) <= MAX_LIMIT) {
    return { [field]: Number(limit) };
  }
  throw invalid(param, `"${param}" is a whole number from 1 to ${MAX_LIMIT}, or null for no limit.`);
}

function invalid(param: string, message: string): ChatError {
  return new ChatError('invalid_value', message, { param });
}
