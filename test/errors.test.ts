import t from 'tap';
import { ChatError, ERRORS, toChatError } from '../src/errors.ts';

t.test('every row has a status that its type promises', (t) => {
  for (const [code, spec] of Object.entries(ERRORS)) {
    const family = spec.type === 'server_error' ? 5 : 4;
    t.equal(Math.floor(spec.status / 100), family, code);
  }
  t.end();
});

t.test('a failure of the request itself is never retried', (t) => {
  for (const [code, spec] of Object.entries(ERRORS)) {
    if (spec.fault === 'request') t.notOk(spec.retryable, code);
  }
  t.end();
});

t.test('what was not foreseen becomes internal_error and keeps its cause to itself', (t) => {
  const cause = new Error('secret-canary');
  const error = toChatError(cause);
  t.equal(error.code, 'internal_error');
  t.equal(error.status, 500);
  t.equal(error.cause, cause);
  t.notMatch(error.message, 'secret-canary');
  t.equal(toChatError(error), error);
  t.end();
});

t.test('details override what the row says', (t) => {
  const error = new ChatError('upstream_error', 'no', { retryable: false, retryAfterS: 3, param: 'x' });
  t.match(error, { retryable: false, retryAfterS: 3, param: 'x', status: 502, fault: 'upstream' });
  t.end();
});
