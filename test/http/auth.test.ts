import t from 'tap';
import { keyIdOf } from '../../src/accounts/key-id.ts';
import { createKeys, toRecord } from '../../src/accounts/keys.ts';
import { ChatError } from '../../src/errors.ts';
import { authenticate } from '../../src/http/auth.ts';
import type { Keys } from '../../src/http/auth.ts';
import { loadUws } from '../../src/http/uws.ts';

const JWT = 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln';
const REFRESH = 'Ab_-5'.repeat(9);
const LIMITS = { requestsPerMinute: 60, concurrentStreams: null };
const ringOf = (...environment: readonly string[]) => createKeys({ environment, file: [], records: [] });
const OPEN = ringOf();
const KEYS = ringOf('first-key', 'k'.repeat(45), 'eyJhbGciOi-key');

const VISITOR = { kind: 'visitor' };
const account = (token: string, accountId: string | null) => ({
  kind: 'own',
  credential: { kind: 'access', token, accountId },
});

function refusal(header: string | undefined, keys: Keys): ChatError {
  try {
    authenticate(header, undefined, keys);
  } catch (error) {
    if (error instanceof ChatError) return error;
  }
  throw new Error('expected a refusal');
}

t.test('an open door: upstream tokens are used, anything else is anonymous', (t) => {
  t.same(authenticate(`Bearer ${JWT}`, undefined, OPEN), account(JWT, null));
  t.same(authenticate('bEaReR   fk-abc', undefined, OPEN), account('fk-abc', null));
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Bearer sk-x', 'Basic Zm9v', JWT]) {
    t.same(authenticate(header, undefined, OPEN), VISITOR, String(header));
  }
  t.end();
});

t.test('the account id comes from the credential or the header, the credential first', (t) => {
  t.same(authenticate(`Bearer ${JWT},acc-1`, 'acc-2', OPEN), account(JWT, 'acc-1'));
  t.same(authenticate(`Bearer ${JWT}`, 'acc-2', OPEN), account(JWT, 'acc-2'));
  t.match(authenticate('Bearer first-key,acc-1', undefined, KEYS), { kind: 'key', accountId: 'acc-1' });
  t.throws(() => authenticate(`Bearer ${JWT}`, 'a b', OPEN), { code: 'invalid_value' });
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

t.test('a refresh token is an account of the caller, one character more or less is none', (t) => {
  const own = (accountId: string | null) => ({
    kind: 'own',
    credential: { kind: 'refresh', token: REFRESH, accountId },
  });
  for (const keys of [OPEN, KEYS]) {
    t.same(authenticate(`Bearer ${REFRESH}`, undefined, keys), own(null));
    t.same(authenticate(`Bearer ${REFRESH},acc-1`, 'acc-2', keys), own('acc-1'));
  }
  t.same(authenticate(`Bearer ${REFRESH}x`, undefined, OPEN), VISITOR);
  t.same(authenticate(`Bearer ${REFRESH.slice(1)}`, undefined, OPEN), VISITOR);
  t.equal(refusal(`Bearer ${REFRESH}x`, KEYS).code, 'invalid_api_key');
  t.end();
});

t.test('a key goes before the token that it looks like', (t) => {
  for (const key of ['k'.repeat(45), 'eyJhbGciOi-key']) {
    t.same(authenticate(`Bearer ${key} , acc-1`, undefined, KEYS), {
      kind: 'key',
      keyId: keyIdOf(key),
      accountId: 'acc-1',
    });
  }
  t.end();
});

t.test('keys come and go while we run', (t) => {
  const ring = createKeys({ environment: [], file: [], records: [] });
  t.same(authenticate('Bearer sk-new', undefined, ring), VISITOR, 'the door is open');
  const record = toRecord('sk-new', 'for Ann', LIMITS, 7);
  ring.add(record);
  t.match(authenticate('Bearer sk-new', undefined, ring), { kind: 'key', keyId: record.id });
  t.equal(refusal('Bearer other', ring).code, 'invalid_api_key', 'the first key closes the door');
  t.same(ring.limits(record.id), LIMITS);
  t.ok(ring.change(record.id, { requestsPerMinute: 1, concurrentStreams: 2 }));
  t.same(ring.records(), [{ ...record, limits: { requestsPerMinute: 1, concurrentStreams: 2 } }]);
  t.ok(ring.remove(record.id));
  t.notOk(ring.remove(record.id));
  t.equal(ring.change(record.id, LIMITS), null);
  t.equal(ring.find('sk-new'), null);
  t.end();
});

t.test('a key of several sources is one, and stays with the first', (t) => {
  const file = [toRecord('sk-env', 'ours', LIMITS, 1), toRecord('sk-file', 'theirs', LIMITS, 1)];
  const ring = createKeys({ environment: ['sk-env'], file, records: [] });
  t.same(ring.entries(), [
    { id: keyIdOf('sk-env'), name: 'ours', source: 'environment', limits: LIMITS },
    { id: keyIdOf('sk-file'), name: 'theirs', source: 'file', limits: LIMITS },
  ]);
  for (const { id } of ring.entries()) t.notOk(ring.remove(id), 'not ours to take away');
  t.ok(ring.change(keyIdOf('sk-env'), { requestsPerMinute: 1, concurrentStreams: 1 }));
  t.same(ring.records(), [], 'a key that its source lets go must not live on in ours');
  t.equal(ring.find('sk-env'), keyIdOf('sk-env'));
  t.equal(ring.find(keyIdOf('sk-env')), null, 'its id opens nothing');
  const forged = { ...toRecord('sk-other', 'x', LIMITS, 1), sha256: '0'.repeat(64) };
  ring.add(forged);
  t.equal(ring.find('sk-other'), null, 'nor does the beginning of a digest');
  t.notOk(
    JSON.stringify([ring.entries(), ring.records()]).includes('sk-'),
    'the keys themselves are not kept',
  );
  t.end();
});

t.test('no refusal repeats the credential', (t) => {
  for (const canary of ['canary-key', `${REFRESH}x`, 'eyJhbGciOi\u00ffcanary']) {
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
