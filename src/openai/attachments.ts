import type { Attachment } from '../conversation/turn.ts';
import { parseSource } from './attachment-source.ts';
import { type Fields, invalidValue, isFields, missing, unsupported } from './fields.ts';

/** A part `{type: 'image_url', image_url: {url, detail} | url}`; the file may be of any kind. */
export function parseImagePart(part: Fields, param: string): Attachment {
  const image = part['image_url'];
  if (typeof image === 'string') return toAttachment(image, `${param}.image_url`);
  if (image === undefined) throw missing(`${param}.image_url`, 'an object with a url');
  if (!isFields(image)) throw invalidValue(`${param}.image_url`, 'an object with a url', image);
  const url = requiredText(image, 'url', `${param}.image_url`);
  const detail = optionalText(image, 'detail', `${param}.image_url`);
  return { ...toAttachment(url, `${param}.image_url.url`), lowDetail: detail === 'low' };
}

/** A part `{type: 'file', file: {file_data, filename}}`; `file_data` is a URL as above or bare base64. */
export function parseFilePart(part: Fields, param: string): Attachment {
  const file = part['file'];
  if (file === undefined) throw missing(`${param}.file`, 'an object with file_data');
  if (!isFields(file)) throw invalidValue(`${param}.file`, 'an object with file_data', file);
  if ((file['file_id'] ?? null) !== null) {
    throw unsupported(`${param}.file.file_id`, 'This proxy keeps no files; send the file as file_data.');
  }
  const data = requiredText(file, 'file_data', `${param}.file`);
  const name = optionalText(file, 'filename', `${param}.file`);
  const at = `${param}.file.file_data`;
  return { ...parseSource(data, at, true), name, lowDetail: false, param: at };
}

/** Up to `most` URLs at the start of a text, with blanks between them, and the text that remains. */
export function peelUrls(
  text: string,
  param: string,
  most: number,
): { attachments: readonly Attachment[]; text: string } {
  const attachments: Attachment[] = [];
  let rest = text;
  for (let url = firstUrl(rest); url !== null && attachments.length < most; url = firstUrl(rest)) {
    attachments.push(toAttachment(url, param));
    rest = rest.slice(url.length).trimStart();
  }
  return { attachments, text: rest };
}

function firstUrl(text: string): string | null {
  const url = /^https?:\/\/\S+/i.exec(text)?.[0] ?? null;
  return url !== null && URL.canParse(url) ? url : null;
}

function toAttachment(url: string, param: string): Attachment {
  return { ...parseSource(url, param, false), name: null, lowDetail: false, param };
}

function requiredText(fields: Fields, name: string, param: string): string {
  const text = optionalText(fields, name, param);
  if (text === null) throw missing(`${param}.${name}`, 'a string');
  return text;
}

function optionalText(fields: Fields, name: string, param: string): string | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === 'string') return value;
  throw invalidValue(`${param}.${name}`, 'a string', value);
}
