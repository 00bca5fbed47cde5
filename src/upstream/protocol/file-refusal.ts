import { ChatError } from '../../errors.ts';
import { parseDetail } from './error-detail.ts';
import { refused } from './file-answers.ts';
import { toRefusal } from './refusal.ts';
import type { RefusedCall } from './refusal.ts';

/** Statuses that speak about the file when nothing else in the answer is known. */
const ABOUT_THE_FILE: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** Turns a refusal of a call about a file into the error that a client sees; `param` names the file's field. */
export function toFileRefusal(call: Omit<RefusedCall, 'at' | 'model'>, param: string): ChatError {
  const refusal = toRefusal({ ...call, at: 'files', model: null });
  if (refusal.code === 'anonymous_unavailable') return noFilesOfVisitors();
  const isAboutChat =
    refusal.code === 'context_length_exceeded' || refusal.code === 'upstream_protocol_error';
  if (!isAboutChat || !ABOUT_THE_FILE.has(call.status)) return refusal;
  const { message, code } = parseDetail(call.body);
  return refused(call.contentType.includes('html') ? '' : message || code, param);
}

// Another address would not help: files belong to accounts.
function noFilesOfVisitors(): ChatError {
  return new ChatError(
    'anonymous_unavailable',
    'The backend takes no files without an account. Send an access token as the API key.',
    { retryable: false },
  );
}
