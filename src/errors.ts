/** Whose fault a failure is. Decides retries and what is held against accounts and proxies. */
export type Fault = 'request' | 'account' | 'address' | 'upstream' | 'operator' | 'overload' | 'internal';

interface ErrorSpec {
  /** HTTP status of the answer. */
  readonly status: number;
  /** OpenAI's `error.type`. */
  readonly type: 'invalid_request_error' | 'permission_error' | 'rate_limit_error' | 'server_error';
  readonly fault: Fault;
  /** May another attempt, on another account or proxy, succeed before the first byte? */
  readonly retryable: boolean;
  /** What the client is told in `x-should-retry`; `null` leaves the SDK's own rule in force. */
  readonly clientRetry: false | null;
}

const request = (status: number): ErrorSpec => ({
  status,
  type: 'invalid_request_error',
  fault: 'request',
  retryable: false,
  clientRetry: false,
});

const server = (status: number, fault: Fault, retryable: boolean): ErrorSpec => ({
  status,
  type: 'server_error',
  fault,
  retryable,
  clientRetry: null,
});

const denied = (fault: Fault, retryable: boolean): ErrorSpec => ({
  status: 403,
  type: 'permission_error',
  fault,
  retryable,
  clientRetry: false,
});

export type ErrorCode =
  | 'invalid_json'
  | 'invalid_value'
  | 'missing_required_parameter'
  | 'unsupported_parameter'
  | 'request_too_large'
  | 'invalid_attachment'
  | 'invalid_api_key'
  | 'cross_site_request'
  | 'account_unauthorized'
  | 'anonymous_unavailable'
  | 'model_not_found'
  | 'conversation_not_found'
  | 'unknown_url'
  | 'method_not_allowed'
  | 'upstream_challenge'
  | 'upstream_refused'
  | 'pow_difficulty_too_high'
  | 'arkose_required'
  | 'arkose_failed'
  | 'context_length_exceeded'
  | 'no_image_generated'
  | 'rate_limit_exceeded'
  | 'key_limit_exceeded'
  | 'proxy_overloaded'
  | 'shutting_down'
  | 'upstream_unreachable'
  | 'upstream_protocol_error'
  | 'upstream_error'
  | 'upstream_timeout'
  | 'internal_error';

/** Every error a client can see, one row each. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorSpec>> = {
  invalid_json: request(400),
  invalid_value: request(400),
  missing_required_parameter: request(400),
  unsupported_parameter: request(400),
  request_too_large: request(413),
  invalid_attachment: request(400),
  invalid_api_key: request(401),
  cross_site_request: denied('request', false),
  account_unauthorized: { ...request(401), fault: 'account', retryable: true },
  anonymous_unavailable: { ...request(401), fault: 'address', retryable: true },
  model_not_found: request(404),
  conversation_not_found: request(404),
  unknown_url: request(404),
  method_not_allowed: request(405),
  upstream_challenge: denied('address', true),
  upstream_refused: denied('address', true),
  pow_difficulty_too_high: denied('address', true),
  arkose_required: denied('operator', false),
  arkose_failed: denied('operator', true),
  context_length_exceeded: request(400),
  no_image_generated: request(400),
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    fault: 'account',
    retryable: true,
    clientRetry: null,
  },
  key_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    fault: 'request',
    retryable: false,
    clientRetry: null,
  },
  proxy_overloaded: server(503, 'overload', false),
  shutting_down: server(503, 'overload', false),
  upstream_unreachable: server(502, 'address', true),
  upstream_protocol_error: server(502, 'upstream', true),
  upstream_error: server(502, 'upstream', true),
  upstream_timeout: server(504, 'upstream', false),
  internal_error: server(500, 'internal', false),
};

/** One conversation at a time, one model for a while, or everything for a while. */
export type LimitKind = 'concurrency' | 'model' | 'account';

/** The token is out of date, the account is gone, or the token is none. */
export type AccountTrouble = 'expired' | 'deactivated' | 'invalid';

/** Where it went wrong: at the way out of here, at the gateway, at one of the two, or at neither. */
export type Place = 'exit' | 'gateway' | 'either' | 'neither';

export interface ErrorDetails {
  /** The request field at fault, OpenAI's `error.param`. */
  readonly param?: string;
  /** Seconds until another try makes sense; becomes `retry-after`. */
  readonly retryAfterS?: number;
  /** Overrides the row's `retryable` where the cause tells more than the code. */
  readonly retryable?: boolean;
  /** Of `rate_limit_exceeded`: which of the account's doors upstream closed; absent: none of them. */
  readonly limit?: LimitKind;
  /** Of `account_unauthorized`: what upstream thinks of the account. */
  readonly account?: AccountTrouble;
  /** Where the code alone does not tell. */
  readonly place?: Place;
  /** Nothing of the request had left: upstream cannot have begun with it. */
  readonly unsent?: boolean;
  /** What went wrong underneath; logged by name, never shown. */
  readonly cause?: unknown;
}

/**
 * The one error class that crosses rooms. `message` is shown to clients: it says what happened,
 * whose fault it is and what to do, and never contains a token, a proxy password or a stack.
 */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterS: number | null;
  readonly retryable: boolean;
  readonly limit: LimitKind | null;
  readonly account: AccountTrouble | null;
  readonly place: Place | null;
  readonly unsent: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.param = details.param ?? null;
    this.retryAfterS = details.retryAfterS ?? null;
    this.limit = details.limit ?? null;
    this.account = details.account ?? null;
    this.retryable = details.retryable ?? ERRORS[code].retryable;
    this.place = details.place ?? null;
    this.unsent = details.unsent ?? false;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get fault(): Fault {
    return ERRORS[this.code].fault;
  }
}

/** Anything thrown, as a ChatError: what we did not foresee becomes `internal_error`. */
export function toChatError(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  return new ChatError(
    'internal_error',
    'The proxy failed unexpectedly. The request id finds the details in its log.',
    {
      cause: thrown,
    },
  );
}
