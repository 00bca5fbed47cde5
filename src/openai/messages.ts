import { ChatError } from '../errors.ts';
import type { MessagePart, Role, TurnMessage } from '../conversation/turn.ts';
import { parseFilePart, parseImagePart, peelUrls } from './attachments.ts';
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

/** Per request: each is a file to move, and takes upstream three calls or more. */
const MAX_ATTACHMENTS = 20;

export interface MessageRules {
  /** URLs at the start of a user's text become attachments. */
  readonly uploadByUrl: boolean;
}

/** Throws a ChatError that names the message or part at fault. */
export function parseMessages(value: unknown, rules: MessageRules): readonly TurnMessage[] {
  if (value === undefined) throw missing('messages', 'an array of at least one message');
  if (!Array.isArray(value)) throw invalidValue('messages', 'an array of messages', value);
  const messages: TurnMessage[] = [];
  value.forEach((item: unknown, index) => {
    const message = parseMessage(item, rules, `messages[${index}]`);
    if (message !== null) messages.push(message);
  });
  refuseTooMany(messages);
  if (messages.length > 0) return messages;
  throw new ChatError(
    'invalid_value',
    "Invalid value for 'messages': expected at least one message with content.",
    {
      param: 'messages',
    },
  );
}

function refuseTooMany(messages: readonly TurnMessage[]): void {
  let count = 0;
  for (const { parts } of messages) {
    for (const { type } of parts) if (type === 'attachment') count += 1;
  }
  if (count <= MAX_ATTACHMENTS) return;
  throw new ChatError(
    'invalid_value',
    `Invalid value for 'messages': expected at most ${MAX_ATTACHMENTS} images and files, got ${count}.`,
    { param: 'messages' },
  );
}

/** Null for a message that only carries tool calls: a web chat has no place for them. */
function parseMessage(value: unknown, rules: MessageRules, param: string): TurnMessage | null {
  if (!isFields(value)) throw invalidValue(param, 'an object with role and content', value);
  const role = parseRole(value['role'], `${param}.role`);
  const content = value['content'];
  if (mayLackContent(value) && (content === undefined || content === null)) return null;
  if (role === 'user' && rules.uploadByUrl && typeof content === 'string') {
    return { role, parts: parseLeadingUrls(content, `${param}.content`) };
  }
  return { role, parts: parseContent(content, role, `${param}.content`) };
}

function parseLeadingUrls(content: string, param: string): readonly MessagePart[] {
  const { attachments, text } = peelUrls(content, param, MAX_ATTACHMENTS + 1);
  const files = attachments.map((attachment): MessagePart => ({ type: 'attachment', attachment }));
  return text === '' && files.length > 0 ? files : [{ type: 'text', text }, ...files];
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

function parseContent(value: unknown, role: Role, param: string): readonly MessagePart[] {
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  if (value === undefined) throw missing(param, 'a string or an array of content parts');
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidValue(param, 'a string or a non-empty array of content parts', value);
  }
  return joinTexts(value.map((part: unknown, index) => parsePart(part, role, `${param}[${index}]`)));
}

/** As the API does: texts follow each other with nothing between them. */
function joinTexts(parts: readonly MessagePart[]): readonly MessagePart[] {
  const joined: MessagePart[] = [];
  let texts: string[] = [];
  const flush = (): void => {
    if (texts.length > 0) joined.push({ type: 'text', text: texts.join('') });
    texts = [];
  };
  for (const part of parts) {
    if (part.type === 'text') texts.push(part.text);
    else {
      flush();
      joined.push(part);
    }
  }
  flush();
  return joined;
}

function parsePart(part: unknown, role: Role, param: string): MessagePart {
  if (!isFields(part)) throw invalidValue(param, 'an object with a type', part);
  const type = part['type'];
  if (type === 'text') return { type: 'text', text: partText(part, 'text', param) };
  if (type === 'refusal' && role === 'assistant') {
    return { type: 'text', text: partText(part, 'refusal', param) };
  }
  if (type === 'input_audio') throw unsupported(param, 'A web chat hears no audio; send text.');
  if (role === 'user' && type === 'image_url') {
    return { type: 'attachment', attachment: parseImagePart(part, param) };
  }
  if (role === 'user' && type === 'file') {
    return { type: 'attachment', attachment: parseFilePart(part, param) };
  }
  throw badType(type, role, `${param}.type`);
}

function badType(type: unknown, role: Role, param: string): ChatError {
  const accepted = role === 'user' ? "'text', 'image_url' or 'file'" : "'text'";
  if (type === undefined) return missing(param, accepted);
  const where = type === 'image_url' || type === 'file' ? '; only users send images and files' : '';
  return new ChatError('invalid_value', `Invalid value for '${param}': expected ${accepted}${where}.`, {
    param,
  });
}

function partText(part: Fields, field: 'text' | 'refusal', param: string): string {
  const text = part[field];
  if (typeof text === 'string') return text;
  if (text === undefined) throw missing(`${param}.${field}`, 'a string');
  throw invalidValue(`${param}.${field}`, 'a string', text);
}
