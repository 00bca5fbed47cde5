import { ChatError } from '../errors.ts';

/** A JSON object of which nothing is known yet. */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a client sent, by kind only: its value may be long, or not for a log. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export function invalidValue(param: string, expected: string, value: unknown): ChatError {
  return new ChatError(
    'invalid_value',
    `Invalid value for '${param}': expected ${expected}, got ${kindOf(value)}.`,
    {
      param,
    },
  );
}

export function missing(param: string, expected: string): ChatError {
  return new ChatError(
    'missing_required_parameter',
    `Missing required parameter: '${param}' (${expected}).`,
    {
      param,
    },
  );
}

export function unsupported(param: string, why: string): ChatError {
  return new ChatError('unsupported_parameter', `Unsupported parameter: '${param}'. ${why}`, { param });
}

/** The readers below take an absent field and `null` for the same thing: null. */
export function readBoolean(fields: Fields, name: string, param: string = name): boolean | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === 'boolean') return value;
  throw invalidValue(param, 'a boolean', value);
}

export function readString(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === 'string') return value;
  throw invalidValue(name, 'a string', value);
}

/** An integer from 1 to `max`. */
export function readCount(
  fields: Fields,
  name: string,
  max: number = Number.MAX_SAFE_INTEGER,
): number | null {
  const value = fields[name] ?? null;
  if (value === null) return null;
  const range = max === Number.MAX_SAFE_INTEGER ? 'of at least 1' : `from 1 to ${max}`;
  if (typeof value !== 'number') throw invalidValue(name, `an integer ${range}`, value);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new ChatError(
    'invalid_value',
    `Invalid value for '${name}': expected an integer ${range}, got ${value}.`,
    {
      param: name,
    },
  );
}
