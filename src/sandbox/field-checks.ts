import { isObject, isUuid, type JsonObject } from './json-shape.ts';

/** One entry of a 422 answer. */
export interface FieldProblem {
  readonly type: string;
  readonly loc: Loc;
  readonly msg: string;
}

/** The way to a field, from `body` on. */
export type Loc = readonly (string | number)[];

/** What is wrong with a value; nothing when it will do. */
export type Check = (value: unknown, loc: Loc) => readonly FieldProblem[];

export const text = typed(
  'string_type',
  'Input should be a valid string',
  (value) => typeof value === 'string',
);
export const flag = typed(
  'bool_type',
  'Input should be a valid boolean',
  (value) => typeof value === 'boolean',
);
export const whole = typed('int_type', 'Input should be a valid integer', Number.isInteger);
export const uuid = typed('uuid_parsing', 'Input should be a valid UUID', isUuid);
export const list = typed('list_type', 'Input should be a valid list', Array.isArray);
export const object = typed('dict_type', 'Input should be a valid dictionary', isObject);

/** What is wrong with the fields named; the others are let be, as newer clients send more. */
export function checkFields(
  from: JsonObject,
  checks: Readonly<Record<string, Check>>,
  loc: Loc,
  required: boolean,
): readonly FieldProblem[] {
  return Object.entries(checks).flatMap(([field, check]) => {
    const value = from[field];
    if (value !== undefined) return check(value, [...loc, field]);
    return required ? [missing([...loc, field])] : [];
  });
}

export function typed(type: string, msg: string, accepts: (value: unknown) => boolean): Check {
  return (value, loc) => (accepts(value) ? [] : [{ type, loc, msg }]);
}

export function literal(names: readonly string[]): Check {
  const msg = `Input should be ${names.map((name) => `'${name}'`).join(', ')}`;
  return typed('literal_error', msg, (value) => names.some((name) => name === value));
}

export function listOf(item: Check): Check {
  return (value, loc) =>
    Array.isArray(value) ? value.flatMap((entry, index) => item(entry, [...loc, index])) : list(value, loc);
}

export function filledList(item: Check): Check {
  return (value, loc) =>
    Array.isArray(value) && value.length === 0 ? [tooShort(loc)] : listOf(item)(value, loc);
}

export function nullable(check: Check): Check {
  return (value, loc) => (value === null ? [] : check(value, loc));
}

export function missing(loc: Loc): FieldProblem {
  return { type: 'missing', loc, msg: 'Field required' };
}

export function tooShort(loc: Loc): FieldProblem {
  return { type: 'too_short', loc, msg: 'List should have at least 1 item after validation, not 0' };
}
