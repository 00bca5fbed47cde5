import type { ChatError, ErrorCode } from '../errors.ts';

/**
 * What a failure counts against. `either`: the exit or the gateway, and the failure alone does not tell
 * which. A soft count makes a node less attractive and never ejects it alone: for what may as well be
 * somebody else's fault, and for what any stranger could provoke.
 */
export type Blame =
  | { readonly on: 'exit' | 'gateway' | 'either'; readonly grade: 'hard' | 'soft' }
  | { readonly on: 'nobody'; readonly because: Excuse };

/** Whose fault it is when it is none of the way's. A client that left ends in `internal_error`. */
export type Excuse = 'request' | 'account' | 'operator' | 'overload' | 'internal' | 'elsewhere';

type Row = Blame | ((failure: ChatError) => Blame);

const nobody = (because: Excuse): Blame => ({ on: 'nobody', because });
const hard = (on: 'exit' | 'gateway' | 'either'): Blame => ({ on, grade: 'hard' });
const soft = (on: 'gateway' | 'either'): Blame => ({ on, grade: 'soft' });

const REQUEST = nobody('request');

/** Every failure, one row each. */
const BLAMES: Readonly<Record<ErrorCode, Row>> = {
  invalid_json: REQUEST,
  invalid_value: REQUEST,
  missing_required_parameter: REQUEST,
  unsupported_parameter: REQUEST,
  request_too_large: REQUEST,
  invalid_attachment: REQUEST,
  invalid_api_key: REQUEST,
  model_not_found: REQUEST,
  conversation_not_found: REQUEST,
  unknown_url: REQUEST,
  method_not_allowed: REQUEST,
  context_length_exceeded: REQUEST,
  no_image_generated: REQUEST,
  key_limit_exceeded: REQUEST,
  cross_site_request: REQUEST,
  account_unauthorized: nobody('account'),
  rate_limit_exceeded: nobody('account'),
  arkose_required: nobody('operator'),
  arkose_failed: nobody('operator'),
  proxy_overloaded: nobody('overload'),
  shutting_down: nobody('overload'),
  internal_error: nobody('internal'),
  // Any stranger can ask without a token, and must not be able to close a way to those who have one.
  anonymous_unavailable: ({ retryable }) => (retryable ? soft('either') : REQUEST),
  // It dislikes an address: the exit's, or that of a gateway which asks the backend on our behalf.
  upstream_challenge: hard('either'),
  pow_difficulty_too_high: hard('either'),
  // "Unusual activity" is said to addresses and to accounts alike; moderation, which is final, to neither.
  upstream_refused: ({ retryable }) => (retryable ? soft('either') : REQUEST),
  upstream_unreachable: (failure) => placed(failure, 'either'),
  upstream_timeout: (failure) => placed(failure, 'either'),
  // A call that is refused for its form may have had its form from the client.
  upstream_protocol_error: (failure) => (failure.retryable ? placed(failure, 'gateway') : soft('gateway')),
  upstream_error: hard('gateway'),
};

/** The failure's own knowledge of its place goes before what the code suggests. */
function placed({ place }: ChatError, suggested: 'gateway' | 'either'): Blame {
  return place === 'neither' ? nobody('elsewhere') : hard(place ?? suggested);
}

export function blameOf(failure: ChatError): Blame {
  const row = BLAMES[failure.code];
  return typeof row === 'function' ? row(failure) : row;
}
