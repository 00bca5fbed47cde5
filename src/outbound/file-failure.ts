import { ChatError } from '../errors.ts';
import { DialError } from './dial.ts';

/** `why` continues the sentence after a colon. */
export function unfetchable(param: string, why: string, cause?: unknown): ChatError {
  const details = cause === undefined ? { param } : { param, cause };
  return new ChatError('invalid_attachment', `The URL in '${param}' cannot be fetched: ${why}.`, details);
}

export function forbidden(param: string): ChatError {
  return new ChatError(
    'invalid_attachment',
    `The URL in '${param}' is forbidden: it leads to a private or local address.`,
    { param },
  );
}

export function fileTooLarge(param: string, maxBytes: number): ChatError {
  return new ChatError(
    'request_too_large',
    `The file in '${param}' is larger than ${maxBytes} bytes, this proxy's limit. Send a smaller one, or ask its operator to raise MAX_FILE_BYTES.`,
    { param },
  );
}

/** A failed request to the server of a user's file: that server's fault, but for our own proxy's. */
export function toFileFailure(error: ChatError, param: string): ChatError {
  const { cause } = error;
  if (error.code === 'shutting_down') return error;
  if (!(cause instanceof DialError)) return unfetchable(param, 'its server broke the connection off', error);
  if (cause.stage !== 'proxy') return unfetchable(param, 'its server cannot be reached', error);
  return new ChatError(
    'upstream_unreachable',
    "The proxy through which users' files are fetched cannot be reached; see EXPORT_PROXY_URL.",
    { cause: error, retryable: false },
  );
}
