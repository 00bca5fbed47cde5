import t from 'tap';
import { ChatError, ERRORS } from '../../src/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../src/errors.ts';
import { blameOf } from '../../src/outbound/blame.ts';
import { DialError } from '../../src/outbound/dial.ts';
import type { DialStage } from '../../src/outbound/dial.ts';
import { toNetworkFailure } from '../../src/outbound/network-failure.ts';
import { toRefusal } from '../../src/upstream/protocol/refusal.ts';

/** In short: `exit`, `gateway` or `either` with the grade, or why it counts against nobody. */
function shortly(failure: ChatError): string {
  const blame = blameOf(failure);
  return blame.on === 'nobody' ? blame.because : `${blame.on} ${blame.grade}`;
}

const PLAIN: Record<ErrorCode, string> = {
  invalid_json: 'request',
  invalid_value: 'request',
  missing_required_parameter: 'request',
  unsupported_parameter: 'request',
  request_too_large: 'request',
  invalid_attachment: 'request',
  invalid_api_key: 'request',
  account_unauthorized: 'account',
  anonymous_unavailable: 'either soft',
  model_not_found: 'request',
  conversation_not_found: 'request',
  unknown_url: 'request',
  method_not_allowed: 'request',
  upstream_challenge: 'either hard',
  upstream_refused: 'either soft',
  pow_difficulty_too_high: 'either hard',
  arkose_required: 'operator',
  arkose_failed: 'operator',
  context_length_exceeded: 'request',
  no_image_generated: 'request',
  key_limit_exceeded: 'request',
  cross_site_request: 'request',
  rate_limit_exceeded: 'account',
  proxy_overloaded: 'overload',
  shutting_down: 'overload',
  upstream_unreachable: 'either hard',
  upstream_protocol_error: 'gateway hard',
  upstream_error: 'gateway hard',
  upstream_timeout: 'either hard',
  internal_error: 'internal',
};

t.test('every code has its row', (t) => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { retryable } = ERRORS[code];
    const failure = new ChatError(code, 'x', code === 'upstream_timeout' ? { retryable: true } : {});
    t.equal(shortly(failure), PLAIN[code], `${code}${retryable ? '' : ', final'}`);
  }
  t.end();
});

t.test('what the failure knows beside its code refines the row', (t) => {
  const rows: [ErrorCode, ErrorDetails, string][] = [
    ['upstream_unreachable', { place: 'exit' }, 'exit hard'],
    ['upstream_unreachable', { place: 'gateway' }, 'gateway hard'],
    ['upstream_timeout', { place: 'gateway' }, 'gateway hard'],
    ['upstream_timeout', { place: 'neither' }, 'elsewhere'],
    ['upstream_protocol_error', { place: 'either' }, 'either hard'],
    ['upstream_protocol_error', { retryable: false }, 'gateway soft'],
    ['anonymous_unavailable', { retryable: false }, 'request'],
    ['upstream_refused', { retryable: false }, 'request'],
  ];
  for (const [code, details, expected] of rows) {
    t.equal(shortly(new ChatError(code, 'x', details)), expected, `${code} ${JSON.stringify(details)}`);
  }
  t.end();
});

t.test('failures of the network, by the step at which they happen', (t) => {
  const proxy = 'outbound proxy 1';
  const rows: [DialStage, string, string | null, string][] = [
    ['proxy', 'connect ECONNREFUSED', proxy, 'exit hard'],
    ['tunnel', 'it answered CONNECT with 407', proxy, 'exit hard'],
    ['tunnel', 'it closed the connection', proxy, 'exit hard'],
    ['tunnel', 'it refused user and password', proxy, 'exit hard'],
    ['tunnel', 'it answered: not allowed by its rules', proxy, 'exit hard'],
    ['tunnel', 'it answered CONNECT with 503', proxy, 'either hard'],
    ['tunnel', 'it answered: connection refused', proxy, 'either hard'],
    ['tunnel', 'it answered: host unreachable', proxy, 'either hard'],
    ['timeout', 'no connection within 1 ms', proxy, 'either hard'],
    ['timeout', 'no connection within 1 ms', null, 'gateway hard'],
    ['backend', 'certificate has expired', proxy, 'either hard'],
    ['backend', 'connect ECONNREFUSED', null, 'gateway hard'],
  ];
  for (const [stage, message, exit, expected] of rows) {
    const failure = toNetworkFailure(new DialError(stage, message), 'dialling', exit);
    t.equal(shortly(failure), expected, `${stage}: ${message}, ${exit ?? 'direct'}`);
    t.ok(failure.unsent, 'and the question has not been sent');
  }
  const reset = new Error('reset');
  t.equal(shortly(toNetworkFailure(reset, 'sent', proxy)), 'either hard');
  t.notOk(toNetworkFailure(reset, 'sent', proxy).unsent);
  t.ok(toNetworkFailure(reset, 'dialling', proxy).unsent);
  t.equal(shortly(toNetworkFailure(reset, 'answering', proxy)), 'either hard');
  t.end();
});

t.test("upstream's refusals", (t) => {
  const rows: [number, string, string, boolean, string][] = [
    [403, 'text/html', '<script>cf_chl_opt</script>', false, 'either hard'],
    [403, 'application/json', '{"detail":"Unusual activity has been detected"}', false, 'either soft'],
    [401, 'application/json', '{"detail":"Unauthorized"}', true, 'either soft'],
    [401, 'application/json', '{"detail":{"code":"token_expired"}}', false, 'account'],
    [429, 'application/json', '{"detail":"Too many requests in 1 hour."}', false, 'account'],
    [404, 'application/json', '{"detail":{"code":"conversation_not_found"}}', false, 'request'],
    [404, 'text/html', 'not here', false, 'gateway soft'],
    [422, 'application/json', '{"detail":[{"type":"missing"}]}', false, 'gateway soft'],
    [413, 'application/json', '{}', false, 'request'],
    [500, 'application/json', '{"detail":"Something went wrong"}', false, 'gateway hard'],
    [503, 'text/html', 'unavailable', false, 'gateway hard'],
  ];
  for (const [status, contentType, body, anonymous, expected] of rows) {
    const call = { status, contentType, body, anonymous, retryAfter: '', model: null };
    t.equal(shortly(toRefusal({ ...call, at: 'conversation' })), expected, `${status} ${body}`);
  }
  t.end();
});
