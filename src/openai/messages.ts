import { ChatError } from '../errors.ts';
import type { Role, TurnMessage } from '../conversation/turn.ts';
import { type Fields, invalidValue, isFields, missing, unsupported } from './fields.ts';

/** OpenAI's roles in the words of the middle; `function` is the old name of `tool`. */
const ROLES: ReadonlyMap<unknown, Role> = new Map<unknown, Role>([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['assistant', 'assistant'],
  ['tool', 'tool'],
  ['function', 'tool'],
]);

const ATTACHMENT_PARTS: ReadonlySet<unknown> = new Set(['image_url', 'file', 'input_audio']);

/** Throws a ChatError that names the message or part at fault. */
export function parseMessages(value: unknown): readonly TurnMessage[] {
  if (value === undefined) throw missing('messages', 'an array of at least one message');
  if (!Array.isArray(value)) throw invalidValue('messages', 'an array of messages', value);
  const messages: TurnMessage[] = [];
  value.forEach((item: unknown, index) => {
    const message = parseMessage(item, `messages[${index}]`);
    if (message !== null) messages.push(message);
  });
  if (messages.length > 0) return messages;
  throw new ChatError(
    'invalid_value',
    "Invalid value for 'messages': expected at least one message with content.",
    {
      param: 'messages',
    },
  );
}

/** Null for a message that only carries tool calls: a web chat has no place for them. */
function parseMessage(value: unknown, param: string): TurnMessage | null {
  if (!isFields(value)) throw invalidValue(param, 'an object with role and content', value);
  const role = parseRole(value['role'], `${param}.role`);
  const content = value['content'];
  if (mayLackContent(value) && (content === undefined || content === null)) return null;
  return { role, parts: [{ type: 'text', text: parseContent(content, role, `${param}.content`) }] };
}

function parseRole(value: unknown, param: string): Role {
  if (value === undefined) throw missing(param, `one of ${[...ROLES.keys()].join(', ')}`);
  const role = ROLES.get(value);
  if (role === undefined) throw invalidRole(value, param);
  return role;
}

function invalidRole(value: unknown, param: string): ChatError {
  const accepted = `one of ${[...ROLES.keys()].join(', ')}`;
  if (typeof value !== 'string') return invalidValue(param, accepted, value);
  const shown = JSON.stringify(value.slice(0, 40));
  return new ChatError('invalid_value', `Invalid value for '${param}': expected ${accepted}, got ${shown}.`, {
    param,
  });
}

function mayLackContent(message: Fields): boolean {
  return message['role'] === 'assistant' || message['role'] === 'function';
}

function parseContent(value: unknown, role: Role, param: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined) throw missing(param, 'a string or an array of content parts');
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidValue(param, 'a string or a non-empty array of content parts', value);
  }
  // As the API does: the parts follow each other with nothing between them.
  return value.map((part: unknown, index) => parsePart(part, role, `${param}[${index}]`)).join('');
}

function parsePart(part: unknown, role: Role, param: string): string {
  if (!isFields(part)) throw invalidValue(param, 'an object with a type', part);
  const type = part['type'];
  if (type === 'text') return partText(part, 'text', param);
  if (type === 'refusal' && role === 'assistant') return partText(part, 'refusal', param);
  if (ATTACHMENT_PARTS.has(type)) {
    throw unsupported(
      param,
      `Parts of type '${String(type)}' are not supported here; send parts of type 'text'.`,
    );
  }
  if (type === undefined) throw missing(`${param}.type`, "'text'");
  throw new ChatError('invalid_value', `Invalid value for '${param}.type': expected 'text'.`, {
    param: `${param}.type`,
  });
}

function partText(part: Fields, field: 'text' | 'refusal', param: string): string {
  const text = part[field];
  if (typeof text === 'string') return text;
  if (text === undefined) throw missing(`${param}.${field}`, 'a string');
  throw invalidValue(`${param}.${field}`, 'a string', text);
}
