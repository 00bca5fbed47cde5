import { ChatError } from '../errors.ts';
import type { ErrorDetails } from '../errors.ts';
import { DialError } from './dial.ts';
import { TunnelError } from './tunnel.ts';
import { errors } from './undici.ts';

/** How far a request had come when it failed. */
export type Progress = 'dialling' | 'sent' | 'answering';

/** The words for a way out, such as `outbound proxy 2`; null: none. */
type ExitLabel = string | null;

/** What a working proxy says about a backend that it cannot reach: CONNECT's 502 to 504, SOCKS 5's 1 and 3 to 6. */
const BEHIND_PROXY =
  /CONNECT with 50[234]$|: (general failure|(network|host) unreachable|connection refused|time to live expired)$/;

/**
 * A failure of the network as the client shall see it.
 *
 * `dialling` proves that the backend saw nothing: the request is written only to an open connection.
 * `sent` leaves it open whether the backend began; a turn it may have begun costs little and a
 * temporary chat leaves nothing behind, so another attempt is allowed, and the message tells the two
 * apart. `answering` is a broken answer, and whether anything of it went out is known by the reader.
 */
export function toNetworkFailure(error: Error, progress: Progress, exit: ExitLabel): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof DialError) return toDialFailure(error, exit);
  if (error instanceof errors.InvalidArgumentError) return unsendable(error);
  if (error instanceof errors.ClientDestroyedError || error instanceof errors.ClientClosedError) {
    return new ChatError('shutting_down', 'The proxy is shutting down.');
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return protocolError('The backend answered with something that is not HTTP.', error);
  }
  if (progress === 'answering') {
    return protocolError('The backend cut its answer off before the end.', error, { place: 'either' });
  }
  if (progress === 'sent') {
    return unreachable(`The backend closed the connection before it answered${reason(error)}.`, error);
  }
  return unreachable(`The backend could not be reached${reason(error)}.`, error, { unsent: true });
}

/**
 * Nothing of it proves more than it says: through a proxy a silence or a refused tunnel may be the
 * gateway's, of which the proxy tells, as well as the proxy's own.
 */
function toDialFailure(error: DialError, exit: ExitLabel): ChatError {
  const unsent = true;
  const by = exit ?? 'the connection';
  switch (error.stage) {
    case 'timeout':
      return new ChatError(
        'upstream_timeout',
        `The backend could not be reached${exit === null ? '' : ` through ${exit}`} in the time that CONNECT_TIMEOUT_MS allows.`,
        { cause: error, retryable: true, unsent, ...behind(exit) },
      );
    case 'proxy':
      if (isDistrust(error)) return distrusted(`of ${by}`, 'PROXY_URL', error, { unsent, place: 'exit' });
      return unreachable(`Cannot connect to ${by}${reason(error)}; see PROXY_URL.`, error, {
        unsent,
        place: 'exit',
      });
    case 'tunnel': {
      const said = error.cause instanceof TunnelError ? error.message : `it broke off${reason(error)}`;
      return unreachable(`Cannot reach the backend through ${by}: ${said}; see PROXY_URL.`, error, {
        unsent,
        ...(BEHIND_PROXY.test(error.message) ? {} : { place: 'exit' }),
      });
    }
    case 'backend':
      if (isDistrust(error))
        return distrusted('of the backend', 'CHATGPT_BASE_URL', error, { unsent, ...behind(exit) });
      return unreachable(`The backend could not be reached${reason(error)}; see CHATGPT_BASE_URL.`, error, {
        unsent,
        ...behind(exit),
      });
    default:
      return error.stage satisfies never;
  }
}

function distrusted(whose: string, setting: string, error: DialError, details: ErrorDetails): ChatError {
  return unreachable(
    `The certificate ${whose} is not valid${reason(error)}; see ${setting}.`,
    error,
    details,
  );
}

// Headers are built from the caller's token and account id and from settings; nothing else can be wrong.
function unsendable(cause: Error): ChatError {
  return new ChatError('invalid_value', 'The access token or account id cannot be sent in an HTTP header.', {
    cause,
  });
}

function behind(exit: ExitLabel): ErrorDetails {
  return exit === null ? { place: 'gateway' } : {};
}

function unreachable(message: string, cause: Error, details: ErrorDetails = {}): ChatError {
  return new ChatError('upstream_unreachable', message, { ...details, cause, retryable: true });
}

function protocolError(message: string, cause: Error, details: ErrorDetails = {}): ChatError {
  return new ChatError('upstream_protocol_error', message, { ...details, cause });
}

const CERTIFICATE = /^(CERT_|DEPTH_|SELF_|UNABLE_|ERR_TLS_CERT_|HOSTNAME_)/;

function isDistrust(error: DialError): boolean {
  return CERTIFICATE.test(codeOf(error) ?? '');
}

/** The system's name for it (`ECONNREFUSED`), never its message: that has addresses in it. */
function reason(error: Error): string {
  const code = codeOf(error);
  return code === null ? '' : ` (${code})`;
}

function codeOf(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && (/^E[A-Z_]+$/.test(code) || CERTIFICATE.test(code))) return code;
  }
  return null;
}
