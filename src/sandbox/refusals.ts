/** An answer that is not the one asked for: status, exact content type, exact body. */
export interface Refusal {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface RefusalFacts {
  /** Names the request in the "unusual activity" text, as an edge network would. */
  readonly ray: string;
  /** Seconds until a model cap ends. */
  readonly clearsInS: number;
  readonly model: string;
}

const CONTENT_TYPE_JSON = 'application/json';
const CONTENT_TYPE_HTML = 'text/html; charset=UTF-8';

const CHALLENGE_PAGE = `<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body>
<div id="cf-please-wait"><div id="cf-spinner-please-wait">Please stand by, while we are checking your browser...</div></div>
<script>(function(){window._cf_chl_opt={cvId:'3',cType:'managed'};}());</script></body></html>
`;

/** Every error the backend is known to give, by the name that scenarios use. */
const REFUSALS = {
  invalid_jwt: () =>
    coded(401, 'invalid_jwt', 'Could not parse your authentication token. Please try signing in again.'),
  token_expired: () =>
    coded(401, 'token_expired', 'Your authentication token has expired. Please try signing in again.'),
  account_deactivated: () =>
    coded(401, 'account_deactivated', 'Your account has been deactivated. Please contact support.'),
  unauthorized: () => detail(401, 'Unauthorized'),
  cloudflare: () => html(403, CHALLENGE_PAGE),
  unusual_activity: ({ ray }: RefusalFacts) =>
    detail(403, `Unusual activity has been detected from your device. Try again later. (${ray})`),
  conversation_not_found: () =>
    detail(404, { message: 'Conversation not found', code: 'conversation_not_found' }),
  conversation_inaccessible: () =>
    detail(404, { message: 'Conversation is inaccessible', code: 'conversation_inaccessible' }),
  model_not_found: ({ model }: RefusalFacts) =>
    coded(404, 'model_not_found', `The model \`${model}\` does not exist or you do not have access to it.`),
  gizmo_not_found: () => detail(404, { message: 'Gizmo not found', code: 'gizmo_not_found' }),
  file_not_found: () => detail(404, { message: 'File not found', code: 'file_not_found' }),
  file_denied: () => detail(403, 'File stream access denied.'),
  message_too_long: () =>
    detail(413, {
      message:
        'The message you submitted was too long, please reload the conversation and submit something shorter.',
      code: 'message_length_exceeds_limit',
    }),
  invalid_body: () => detail(422, [{ type: 'missing', loc: ['body', 'messages'], msg: 'Field required' }]),
  model_cap: ({ clearsInS }: RefusalFacts) =>
    detail(429, {
      clears_in: clearsInS,
      code: 'model_cap_exceeded',
      message: 'You have sent too many messages to the model. Please try again later.',
    }),
  too_many_requests: () => detail(429, 'Too many requests in 1 hour. Try again later.'),
  one_message: () =>
    detail(
      429,
      'Only one message at a time. Please allow any other responses to complete before sending another message, or wait one minute.',
    ),
  server_error: () => detail(500, 'Something went wrong, please try reloading the conversation.'),
  unavailable: () => detail(503, 'Something went wrong, please try reloading the conversation.'),
  html_500: () => html(500, '<html><body><h1>500 Internal Server Error</h1></body></html>\n'),
  html_503: () => html(503, '<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>\n'),
} satisfies Record<string, (facts: RefusalFacts) => Refusal>;

export type RefusalName = keyof typeof REFUSALS;

export const REFUSAL_NAMES = Object.keys(REFUSALS) as readonly RefusalName[];

export function refusal(name: RefusalName, facts: RefusalFacts): Refusal {
  return REFUSALS[name](facts);
}

/** An error in FastAPI's form, with a content type that has no charset: clients compare it exactly. */
export function detail(status: number, value: unknown): Refusal {
  return { status, contentType: CONTENT_TYPE_JSON, body: JSON.stringify({ detail: value }) };
}

/** Ends the handling of a request with a refusal. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`refused with ${refusal.status}`);
    this.refusal = refusal;
  }
}

function coded(status: number, code: string, message: string): Refusal {
  return detail(status, { message, type: 'invalid_request_error', param: null, code });
}

function html(status: number, body: string): Refusal {
  return { status, contentType: CONTENT_TYPE_HTML, body };
}
