import { ChatError } from '../errors.ts';

const MAX_RETRY_S = 60;

export function overloaded(backlogMs: number): ChatError {
  return new ChatError(
    'proxy_overloaded',
    'All threads for proof of work are busy. Try again shortly; POW_THREADS raises their number.',
    { retryAfterS: Math.min(MAX_RETRY_S, Math.max(1, Math.ceil(backlogMs / 1000))) },
  );
}

// The challenge was within POW_DIFFICULTY and a thread was at work: a deadline passed, nothing else.
// Another attempt brings another challenge, and luck with it.
export function tookTooLong(timeoutMs: number): ChatError {
  return new ChatError(
    'upstream_timeout',
    `The backend's proof of work was not found within ${timeoutMs / 1000} s. Try again.`,
    { retryable: true, place: 'neither' },
  );
}

export function shuttingDown(): ChatError {
  return new ChatError('shutting_down', 'The proxy is shutting down.');
}

export function threadFailed(cause: unknown): ChatError {
  return new ChatError('internal_error', 'The thread that searched a proof of work failed.', { cause });
}
