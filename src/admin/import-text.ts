import { ChatError } from '../errors.ts';
import { parseJson } from '../http/json-body.ts';
import { formField } from './form-field.ts';

const FORM = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)/i;

/**
 * The lines of an import, of whatever form it came in: text, `{"text": "..."}`, a list of lines, or a form's
 * field `text`. What `curl --data-binary @file` calls a form is taken for the text that it is.
 */
export async function importText(contentType: string, body: Buffer): Promise<string> {
  const text = await textOf(contentType, body);
  if (text.trim() !== '') return text;
  throw new ChatError(
    'missing_required_parameter',
    'There is nothing to import: send one account per line, as text or as the field "text".',
    { param: 'text' },
  );
}

async function textOf(contentType: string, body: Buffer): Promise<string> {
  if (/json/i.test(contentType)) return textOfJson(parseJson(body));
  if (!FORM.test(contentType)) return body.toString('utf8');
  const isBare = /urlencoded/i.test(contentType) && !body.subarray(0, 5).equals(Buffer.from('text='));
  return isBare ? body.toString('utf8') : ((await formField(contentType, body, 'text')) ?? '');
}

function textOfJson(value: unknown): string {
  if (Array.isArray(value) && value.every(isOneLine)) return value.join('\n');
  if (typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string') {
    return value.text;
  }
  throw new ChatError('invalid_value', 'Send {"text": "..."} or a list of strings without line breaks.', {
    param: 'text',
  });
}

/** So that a verdict's line number is its place in the list. */
function isOneLine(item: unknown): item is string {
  return typeof item === 'string' && !/[\r\n]/.test(item);
}
