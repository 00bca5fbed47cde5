import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import { authenticate } from '../../src/http/auth.ts';
import { loadUws } from '../../src/http/uws.ts';

const JWT = 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln';
const REFRESH = 'Ab_-5'.repeat(9);
const KEYS = ['first-key', 'k'.repeat(45)];

const VISITOR = { kind: 'visitor' };
const account = (token: string, accountId: string | null) => ({
  kind: 'own',
  credential: { kind: 'access', token, accountId },
});

function refusal(header: string | undefined, keys: readonly string[]): ChatError {
  try {
    authenticate(header, undefined, keys);
  } catch (error) {
    if (error instanceof ChatError) return error;
  }
  throw new Error('expected a refusal');
}

t.test('an open door: upstream tokens are used, anything else is anonymous', (t) => {
  t.same(authenticate(`Bearer ${JWT}`, undefined, []), account(JWT, null));
  t.same(authenticate('bEaReR   fk-abc', undefined, []), account('fk-abc', null));
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Bearer sk-x', 'Basic Zm9v', JWT]) {
    t.same(authenticate(header, undefined, []), VISITOR, String(header));
  }
  t.end();
});

t.test('the account id comes from the credential or the header, the credential first', (t) => {
  t.same(authenticate(`Bearer ${JWT},acc-1`, 'acc-2', []), account(JWT, 'acc-1'));
  t.same(authenticate(`Bearer ${JWT}`, 'acc-2', []), account(JWT, 'acc-2'));
  t.match(authenticate('Bearer first-key,acc-1', undefined, KEYS), { kind: 'key', accountId: 'acc-1' });
  t.throws(() => authenticate(`Bearer ${JWT}`, 'a b', []), { code: 'invalid_value' });
  t.end();
});

t.test('with keys only they and upstream tokens pass', (t) => {
  t.match(authenticate('Bearer first-key', undefined, KEYS), { kind: 'key', accountId: null });
  t.match(authenticate(`Bearer ${'k'.repeat(45)}`, undefined, KEYS), { kind: 'key' });
  t.same(authenticate(`Bearer ${JWT}`, undefined, KEYS), account(JWT, null));
  for (const header of [undefined, 'Bearer ', 'Bearer first-ke', 'Bearer first-key2', 'Basic first-key']) {
    t.equal(refusal(header, KEYS).code, 'invalid_api_key', String(header));
  }
  t.end();
});

t.test('a refresh token is refused by name, one character more or less is not', (t) => {
  for (const keys of [[], KEYS]) t.match(refusal(`Bearer ${REFRESH}`, keys).message, /refresh token/);
  t.same(authenticate(`Bearer ${REFRESH}x`, undefined, []), VISITOR);
  t.same(authenticate(`Bearer ${REFRESH.slice(1)}`, undefined, []), VISITOR);
  t.end();
});

t.test('no refusal repeats the credential', (t) => {
  for (const canary of ['canary-key', REFRESH, 'eyJhbGciOi\u00ffcanary']) {
    const error = refusal(`Bearer ${canary}`, KEYS);
    t.notOk(JSON.stringify([error.message, error.cause, error.param]).includes(canary));
    t.equal(error.status, 401);
  }
  t.end();
});

t.test('when no native build loads the error names the reason for each', (t) => {
  const candidates = [
    { name: 'one', file: () => '/nowhere/one.node' },
    {
      name: 'two',
      file: (): string => {
        throw new Error('not installed');
      },
    },
  ];
  t.throws(() => loadUws(candidates), /one: .*\/nowhere\/one\.node[^]*two: not installed/);
  t.ok(loadUws([...candidates, ...realCandidates()]).nativeBuild);
  t.end();
});

function realCandidates(): { name: string; file: () => string }[] {
  const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const root = new URL('../../../node_modules/', import.meta.url).pathname;
  return ['uWebSockets.js/', 'uWebSockets.js-glibc227/binaries/'].map((folder) => ({
    name: folder,
    file: () => root + folder + binary,
  }));
}
