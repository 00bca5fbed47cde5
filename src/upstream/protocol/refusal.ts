import { ChatError } from '../../errors.ts';
import type { AccountTrouble, ErrorCode, ErrorDetails, LimitKind } from '../../errors.ts';
import { NO_DETAIL, parseDetail, parseObject, parseRetryAfter } from './error-detail.ts';
import type { Detail } from './error-detail.ts';
import { toSafeText } from './safe-text.ts';

/** An answer that is no success, with what we need to say whose fault it is. */
export interface RefusedCall {
  readonly status: number;
  /** Media type in lower case, without parameters. */
  readonly contentType: string;
  /** The body, or its first part. */
  readonly body: string;
  /** Header `retry-after`, empty when absent. */
  readonly retryAfter: string;
  /** The caller has no token. */
  readonly anonymous: boolean;
  readonly at: 'requirements' | 'conversation' | 'files' | 'account';
  /** The slug that was asked for, or the custom GPT (`g-...`); null where the call names none. */
  readonly model: string | null;
}

/** What was refused: one of our calls, or the way to it. */
type Door = RefusedCall['at'] | 'elsewhere';

const CHALLENGE_MARK = /cf-please-wait|cf-spinner-please-wait|cf_chl_opt/;
const UNUSUAL = /unusual activity|suspicious activity/i;
const TOO_LONG = /message_length_exceeds_limit|too long|submit something shorter|context[_ ]length/i;
const LIMIT =
  /too many|rate.?limit|reached (your|the|our).*(limit|cap)|usage cap|model_cap_exceeded|one message at a time/i;
const ONE_AT_A_TIME = /one message at a time/i;
const MODEL_CAP = /model_cap|(to|of|for|with) (the|this) model/i;
const EVERYTHING = /too many requests/i;
const MODERATED = /content policy|usage policies|moderat|flagged/i;
const NO_CONVERSATION = /conversation/i;
const NO_MODEL = /model/i;
const GPT_ID = /^g-/;
const TROUBLES: Readonly<Record<AccountTrouble, string>> = {
  deactivated: 'the account is deactivated',
  expired: 'it has expired; sign in again for a new one',
  invalid: 'it is not valid; sign in again for a new one',
};

/** Turns a refusal into the error that a client sees; the rows of the error table. Never throws. */
export function toRefusal(call: RefusedCall): ChatError {
  const { status, contentType, body } = call;
  if (isChallenge(call)) return challenge();
  if (status >= 300 && status < 400) return redirected(call);
  const detail = contentType.includes('html') ? NO_DETAIL : parseDetail(body);
  const text = `${detail.code} ${detail.message}`;
  switch (status) {
    case 401:
      return call.anonymous ? noVisitors(detail) : unauthorized(detail);
    case 403:
      return forbidden(call, detail, text);
    case 404:
      return notFound(call, detail, text);
    case 413:
      return tooLong();
    case 429:
      return limited(
        detail,
        waitSeconds(detail, call.retryAfter),
        contentType.includes('html') ? 'elsewhere' : call.at,
      );
    default:
      return status >= 500 ? unwell(call, detail) : rejected(call, detail, text);
  }
}

/** The same for a failure told inside a stream that began well. `code` is the backend's, if it gave one. */
export function toStreamRefusal(message: string, code: string | null = null): ChatError {
  const detail: Detail = { ...parseDetail(message), ...(code === null ? {} : { code }) };
  const text = `${detail.code} ${detail.message}`;
  if (CHALLENGE_MARK.test(message)) return challenge();
  if (UNUSUAL.test(text)) return refused(detail);
  if (TOO_LONG.test(text)) return tooLong();
  if (detail.clearsInS !== null || LIMIT.test(text)) return limited(detail, detail.clearsInS, 'conversation');
  if (MODERATED.test(text)) return moderated(detail);
  return error('upstream_error', `The backend broke off with an error${quote(detail)}. Try again.`);
}

/**
 * The conversation call succeeded with something else than an event stream. `body` may be cut; a
 * complete hand-over to a web socket does not come here.
 */
export function toWrongAnswer(status: number, contentType: string, body: string): ChatError {
  if (CHALLENGE_MARK.test(body)) return challenge();
  const json = contentType.includes('json') ? parseObject(body) : null;
  if (json !== null && 'wss_url' in json) {
    return error(
      'upstream_protocol_error',
      'The backend wants to answer over a web socket, and names no usable address or no id for it.',
    );
  }
  if (json !== null && ('detail' in json || 'error' in json)) return toStreamRefusal(body);
  const what = contentType === '' ? 'no content type' : `\`${toSafeText(contentType)}\``;
  return error(
    'upstream_protocol_error',
    `The backend answered the conversation call with ${status} and ${what} instead of an event stream.`,
  );
}

function isChallenge({ status, contentType, body }: RefusedCall): boolean {
  if (CHALLENGE_MARK.test(body)) return true;
  return (
    contentType.includes('html') && (status === 403 || (status === 503 && /cloudflare|challenge/i.test(body)))
  );
}

function forbidden({ anonymous }: RefusedCall, detail: Detail, text: string): ChatError {
  if (/deactivated|account_suspended/i.test(text) && !anonymous) return unauthorized(detail);
  if (/force_login|please (log|sign) in/i.test(text) && anonymous) return noVisitors(detail);
  return refused(detail);
}

function notFound({ at, model }: RefusedCall, detail: Detail, text: string): ChatError {
  if (detail.code.startsWith('conversation_')) return noConversation();
  if (detail.code.startsWith('model_')) return noModel(model);
  if (at === 'conversation' && NO_CONVERSATION.test(text)) return noConversation();
  if (at === 'conversation' && (NO_MODEL.test(text) || GPT_ID.test(model ?? ''))) return noModel(model);
  return error(
    'upstream_protocol_error',
    `The backend does not know the ${at} call (404)${quote(detail)}. Is CHATGPT_BASE_URL right?`,
    { retryable: false },
  );
}

function rejected(call: RefusedCall, detail: Detail, text: string): ChatError {
  if (TOO_LONG.test(text)) return tooLong();
  if (detail.clearsInS !== null) return limited(detail, detail.clearsInS, call.at);
  if (UNUSUAL.test(text)) return refused(detail);
  if (detail.code.startsWith('model_')) return noModel(call.model);
  if (detail.code.startsWith('conversation_')) return noConversation();
  // We built the call, so a 400 or a 422 says that the backend speaks another protocol than we do:
  // not the client's fault, and no better on a second try.
  return error(
    'upstream_protocol_error',
    `The backend rejected the ${call.at} call with ${call.status}${quote(detail)}.`,
    {
      retryable: false,
    },
  );
}

function challenge(): ChatError {
  return error(
    'upstream_challenge',
    'The backend wants a browser check from this address before it talks to the proxy. Use another outbound proxy (PROXY_URL) or gateway (CHATGPT_BASE_URL).',
  );
}

function refused(detail: Detail): ChatError {
  return error(
    'upstream_refused',
    `The backend refused the request${quote(detail)}. It dislikes the address or the account; use another outbound proxy (PROXY_URL) or account, or try later.`,
  );
}

function redirected({ at, status }: RefusedCall): ChatError {
  return error(
    'upstream_protocol_error',
    `The backend redirected the ${at} call (${status}), which it never should. Is CHATGPT_BASE_URL right?`,
    { retryable: false },
  );
}

function noVisitors(detail: Detail): ChatError {
  return error(
    'anonymous_unavailable',
    `The backend offers no anonymous chat from this address${quote(detail)}. Send an access token as the API key.`,
  );
}

function unauthorized(detail: Detail): ChatError {
  const account = toTrouble(`${detail.code} ${detail.message}`);
  return error(
    'account_unauthorized',
    `The backend refuses the account's access token: ${TROUBLES[account]}.`,
    { account },
  );
}

function toTrouble(text: string): AccountTrouble {
  if (/deactivated|suspended/i.test(text)) return 'deactivated';
  return /expired/i.test(text) ? 'expired' : 'invalid';
}

function noConversation(): ChatError {
  return error('conversation_not_found', 'The backend does not know this conversation, or it is not yours.', {
    param: 'conversation_id',
  });
}

/** The model, or custom GPT, is none of the account's. */
export function noModel(model: string | null, details: Pick<ErrorDetails, 'retryable'> = {}): ChatError {
  const name = model === null ? 'The model' : `The model \`${toSafeText(model)}\``;
  return error('model_not_found', `${name} does not exist or you do not have access to it.`, {
    param: 'model',
    ...details,
  });
}

function tooLong(): ChatError {
  return error(
    'context_length_exceeded',
    'The messages are too long for the backend. Send something shorter.',
    {
      param: 'messages',
    },
  );
}

function limited(detail: Detail, waitS: number | null, at: Door): ChatError {
  const ends = waitS === null ? 'Try again later.' : `The limit ends in ${waitS} s.`;
  return error('rate_limit_exceeded', `The backend's own limit is reached${quote(detail)}. ${ends}`, {
    ...(waitS === null ? {} : { retryAfterS: waitS }),
    ...limitDetails(detail, waitS, at),
  });
}

/**
 * Only the backend's own words about chats tell something of the account: a page that some box on the
 * way wrote is about the address, and a limit on uploads leaves the account's chats alone.
 */
function limitDetails(detail: Detail, waitS: number | null, at: Door): { limit?: LimitKind } {
  if (at === 'files' || at === 'elsewhere') return {};
  const text = `${detail.code} ${detail.message}`;
  if (ONE_AT_A_TIME.test(text)) return { limit: 'concurrency' };
  if (at === 'requirements') return { limit: 'account' };
  if (detail.clearsInS !== null || MODEL_CAP.test(text)) return { limit: 'model' };
  return { limit: waitS === null || EVERYTHING.test(text) ? 'account' : 'model' };
}

// Another account would hear the same about the same words.
function moderated(detail: Detail): ChatError {
  return error('upstream_refused', `The backend's moderation stopped the answer${quote(detail)}.`, {
    retryable: false,
  });
}

function unwell({ status, retryAfter }: RefusedCall, detail: Detail): ChatError {
  const waitS = parseRetryAfter(retryAfter);
  return error(
    'upstream_error',
    `The backend failed with ${status}${quote(detail)}. Try again.`,
    waitS === null ? {} : { retryAfterS: waitS },
  );
}

function error(code: ErrorCode, message: string, details: ErrorDetails = {}): ChatError {
  return new ChatError(code, message, details);
}

function quote({ message }: Detail): string {
  const text = toSafeText(message);
  return text === '' ? '' : `: "${text}"`;
}

function waitSeconds(detail: Detail, retryAfter: string): number | null {
  return detail.clearsInS ?? parseRetryAfter(retryAfter);
}
