import fc from 'fast-check';
import t from 'tap';
import { readJwt } from '../../src/accounts/jwt.ts';

const AUTH = 'https://api.openai.com/auth';

function jwt(claims: unknown): string {
  return ['{"alg":"RS256","typ":"JWT"}', JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
}

t.test('a token tells when it ends, whose it is and what it is worth', (t) => {
  const auth = { user_id: 'user-1', chatgpt_account_id: 'ws-1', chatgpt_plan_type: 'plus' };
  t.strictSame(readJwt(jwt({ exp: 1_900_000_000, sub: 'auth0|1', [AUTH]: auth })), {
    expiresMs: 1_900_000_000_000,
    userId: 'user-1',
    workspace: 'ws-1',
    plan: 'plus',
  });
  t.equal(readJwt(jwt({ [AUTH]: { chatgpt_user_id: 'user-2' }, sub: 's' }))?.userId, 'user-2');
  t.equal(readJwt(jwt({ sub: 'auth0|3' }))?.userId, 'auth0|3');
  t.end();
});

t.test('odd claims are null, and what is no token at all is null', (t) => {
  const nothing = { expiresMs: null, userId: null, workspace: null, plan: null };
  t.strictSame(readJwt(jwt({})), nothing);
  t.strictSame(readJwt(jwt({ exp: '1', sub: 7, [AUTH]: 'x' })), nothing);
  t.strictSame(readJwt(jwt({ exp: 1e300, sub: 'a\nb', [AUTH]: { chatgpt_plan_type: '<script>' } })), nothing);
  for (const garbage of ['', '.', '..', 'a.b.c', jwt([1]), jwt(null), jwt('x'), 'fk-abc', 'eyJhbGciOi.e30'])
    t.equal(readJwt(garbage), null, garbage);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => `e.${btoa(encodeURI(json))}.s`),
      ),
      (token) => {
        readJwt(token);
      },
    ),
  );
  t.end();
});
