import { ChatError } from '../../errors.ts';
import { parseObject } from './error-detail.ts';
import { toSafeText } from './safe-text.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Where a file is to be stored, and its name from then on. */
export interface Registration {
  readonly id: string;
  /** May be a path on the gateway. */
  readonly uploadUrl: string;
}

/** What can stand in a path and in a pointer. */
const FILE_ID = /^[\w.-]{1,200}$/;

/** The readers below throw `invalid_attachment` naming `param` where the backend will not have the file. */
export function parseRegistration(text: string, param: string): Registration {
  const fields = parseAccepted(text, param);
  const { file_id: id, upload_url: uploadUrl } = fields;
  if (typeof id === 'string' && FILE_ID.test(id) && typeof uploadUrl === 'string' && isUsable(uploadUrl)) {
    return { id, uploadUrl };
  }
  throw broken('names no file_id and upload_url');
}

function isUsable(uploadUrl: string): boolean {
  // Any base will do: the question is what a path or an address is.
  if (uploadUrl === '' || !URL.canParse(uploadUrl, 'http://gateway')) return false;
  return /^https?:$/.test(new URL(uploadUrl, 'http://gateway').protocol);
}

export function parseUploaded(text: string, param: string): void {
  const url = parseAccepted(text, param)['download_url'];
  if (typeof url !== 'string' || url === '') throw broken('has no download_url');
}

/** `waiting` for whatever is neither success nor failure. */
export function parseIndexStatus(text: string, param: string): 'ready' | 'waiting' {
  const status = parseAccepted(text, param, false)['retrieval_index_status'];
  if (status === 'success') return 'ready';
  if (typeof status === 'string' && /fail|error/i.test(status)) throw refused(status, param);
  return 'waiting';
}

function parseAccepted(text: string, param: string, hasStatus = true): Fields {
  const fields = parseObject(text);
  if (fields === null) throw broken('is no JSON object');
  const status = fields['status'];
  if (!hasStatus || status === undefined || status === 'success') return fields;
  const why = [fields['error_message'], fields['error_code'], status].find(
    (value) => typeof value === 'string',
  );
  throw refused(String(why ?? ''), param);
}

/** `why`: in the backend's words. */
export function refused(why: string, param: string): ChatError {
  const text = toSafeText(why);
  const quoted = text === '' ? '' : `: "${text}"`;
  return new ChatError('invalid_attachment', `The backend refuses the attachment in '${param}'${quoted}.`, {
    param,
  });
}

function broken(how: string): ChatError {
  return new ChatError('upstream_protocol_error', `The backend's answer about an upload ${how}.`);
}
