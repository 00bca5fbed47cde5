import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { accountIdOf, mergeAccount, parseAccountLines } from '../../src/accounts/import.ts';
import type { OfferedAccount, ParsedLine } from '../../src/accounts/import.ts';
import { readJwt } from '../../src/accounts/jwt.ts';
import { readKeysFile } from '../../src/accounts/keys-file.ts';
import { importOriginal } from '../../src/accounts/original-files.ts';
import { openStore } from '../../src/accounts/store.ts';
import type { Store } from '../../src/accounts/store.ts';
import { StoreError } from '../../src/accounts/store-error.ts';
import { keyDigest, keyIdOf } from '../../src/accounts/key-id.ts';
import type { Credential } from '../../src/conversation/turn.ts';

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

/** A token of that person, the later the higher `exp` (in s). */
function accessOf(user: string, exp: number, workspace?: string): string {
  return jwt({ exp, [AUTH]: { user_id: user, chatgpt_account_id: workspace, chatgpt_plan_type: 'team' } });
}

const REFRESH = 'canary-refresh_'.padEnd(45, 'R');

function credentialsIn(text: string): (Credential | string)[] {
  return parseAccountLines(text).map((parsed) => {
    if (parsed.kind === 'account') return parsed.account.credential;
    return parsed.kind === 'rejected' ? parsed.why : `as ${parsed.of}`;
  });
}

function offered(text: string): OfferedAccount {
  const [parsed] = parseAccountLines(text);
  if (parsed?.kind !== 'account') throw new Error('no account');
  return parsed.account;
}

t.test('accounts are read in each form in which people have them', (t) => {
  const token = accessOf('alice', 1_900_000_000);
  const access = (accountId: string | null = null): Credential => ({ kind: 'access', token, accountId });
  const refresh = (accountId: string | null = null): Credential => ({
    kind: 'refresh',
    token: REFRESH,
    accountId,
  });
  const forms: readonly (readonly [text: string, credential: Credential])[] = [
    [token, access()],
    [`  ${token}  `, access()],
    [`${token},ws-1`, access('ws-1')],
    [`"${token}",`, access()],
    [`'${token}, ws-1'`, access('ws-1')],
    [`Bearer ${token}`, access()],
    [`Authorization: bearer ${token}`, access()],
    [REFRESH, refresh()],
    [`${REFRESH},ws-2`, refresh('ws-2')],
    ['fk-abc', { kind: 'access', token: 'fk-abc', accountId: null }],
    [JSON.stringify({ access_token: token }), access()],
    [JSON.stringify({ access_token: token, account_id: 'ws-1' }), access('ws-1')],
    [JSON.stringify({ access_token: token, refresh_token: REFRESH, account_id: 'ws-2' }), refresh('ws-2')],
    [JSON.stringify({ tokens: { access_token: token, account_id: 'ws-1' } }, null, 2), access('ws-1')],
    [JSON.stringify({ user: {}, account: { id: 'ws-3' }, accessToken: token }, null, 2), access('ws-3')],
    [JSON.stringify([token]), access()],
  ];
  for (const [text, credential] of forms) t.strictSame(credentialsIn(text), [credential], text.slice(0, 40));
  t.end();
});

t.test('a pair of tokens is one account, with its access token at hand', (t) => {
  const token = accessOf('alice', 1_900_000_000);
  const { access } = offered(JSON.stringify({ access_token: token, refresh_token: REFRESH }));
  t.strictSame(access, { token, expiresMs: 1_900_000_000_000 });
  t.end();
});

t.test('lines keep their numbers, whatever ends them', (t) => {
  const text = `\uFEFF# mine\r\n\r\nfk-one\r\n  # other\nfk-two\rrubbish\r\nfk-one`;
  t.match(parseAccountLines(text), [
    { line: 3, kind: 'account' },
    { line: 5, kind: 'account' },
    { line: 6, kind: 'rejected' },
    { line: 7, kind: 'repeated', of: 3 },
  ]);
  t.match(parseAccountLines('["fk-one", 5, {"access_token":"fk-two"}]'), [
    { line: 1, kind: 'account' },
    { line: 2, kind: 'rejected' },
    { line: 3, kind: 'account' },
  ]);
  t.strictSame(parseAccountLines(''), []);
  t.end();
});

t.test('of two tokens of an account the one that lasts longer counts', (t) => {
  const [early, late] = [accessOf('alice', 1_000), accessOf('alice', 2_000)];
  const kinds = (parsed: readonly ParsedLine[]): string[] => parsed.map(({ kind }) => kind);
  t.strictSame(kinds(parseAccountLines(`${early}\n${late}`)), ['repeated', 'account']);
  t.strictSame(kinds(parseAccountLines(`${late}\n${early}`)), ['account', 'repeated']);
  t.strictSame(
    kinds(parseAccountLines(`${late}\n${early},ws`)),
    ['account', 'account'],
    'a workspace is another',
  );
  t.end();
});

t.test('what is rejected is not repeated, and nothing makes the reader throw', (t) => {
  const bad = [
    'canary',
    `canary${REFRESH}`,
    '{"canary":1}',
    '{"canary"',
    '[canary',
    'fk-canary,a b',
    `fk-${'canary'.repeat(1_000)}`,
  ];
  for (const line of bad) {
    const [parsed] = parseAccountLines(line);
    t.equal(parsed?.kind, 'rejected', line.slice(0, 20));
    t.notMatch(JSON.stringify(parsed), 'canary');
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseAccountLines(text)));
  t.end();
});

t.test('an account keeps its id when it gets a fresh token', (t) => {
  const id = (token: string, accountId: string | null = null): string =>
    accountIdOf({ kind: 'access', token, accountId });
  t.match(id('fk-1'), /^[0-9a-f]{12}$/);
  t.equal(id(accessOf('alice', 1)), id(accessOf('alice', 2)));
  t.equal(id(accessOf('alice', 1, 'ws')), id(accessOf('alice', 2), 'ws'));
  const others = [
    id(accessOf('alice', 1)),
    id(accessOf('bob', 1)),
    id(accessOf('alice', 1, 'ws')),
    id('fk-1'),
    id('fk-2'),
    id('fk-2', 'ws'),
    id(jwt({ exp: 1 })),
    id(jwt({ exp: 2 })),
  ];
  t.equal(new Set(others).size, others.length);
  t.end();
});

t.test('an offered account is added, updated or known', (t) => {
  const [early, late] = [offered(accessOf('alice', 1_000)), offered(accessOf('alice', 2_000))];
  const added = mergeAccount(undefined, early, 7);
  t.match(added, {
    outcome: 'added',
    record: { id: early.id, addedMs: 7, plan: 'team', standing: { kind: 'good' } },
  });
  t.equal(mergeAccount(added.record, early, 8).outcome, 'known');
  const quarantined = {
    ...added.record,
    standing: { kind: 'quarantined', reason: 'no', sinceMs: 1 },
  } as const;
  const updated = mergeAccount(quarantined, late, 8);
  t.match(updated, {
    outcome: 'updated',
    record: { addedMs: 7, credential: late.credential, standing: { kind: 'good' } },
  });
  t.equal(mergeAccount(updated.record, early, 9).outcome, 'known', 'an older token changes nothing');
  const disabled = {
    ...added.record,
    standing: { kind: 'disabled', by: 'operator', reason: '', sinceMs: 1 },
  } as const;
  t.equal(mergeAccount(disabled, late, 8).record.standing.kind, 'disabled', "the operator's word stands");
  t.end();
});

function openIn(t: Test, dataDir: string): Store {
  const store = openStore({ dataDir, dataKey: null, nowMs: Date.now, onNotice: (notice) => t.fail(notice) });
  t.teardown(() => store.close().catch(() => undefined));
  return store;
}

t.test("the original's accounts are taken over once, and again when its files change", async (t) => {
  const failed = 'canary-failed'.padEnd(45, 'F');
  const access = accessOf('alice', 1_900_000_000);
  const dataDir = t.testdir({
    'token.txt': `# mine\n${REFRESH},ws\r\nfk-one\ncanary rubbish\n${failed}\n`,
    'error_token.txt': `${failed}\n`,
    'refresh_map.json': JSON.stringify({ [REFRESH]: { token: access, timestamp: 1 }, x: 5 }),
  });
  const notices: string[] = [];
  const store = openIn(t, dataDir);
  const take = (): Promise<void> =>
    importOriginal({ dataDir, store, nowMs: () => 9, onNotice: (notice) => notices.push(notice) });
  await take();
  const found = new Map(store.accounts().map((record) => [record.credential.token, record]));
  t.equal(found.size, 3);
  t.match(found.get(REFRESH), {
    access: { token: access, expiresMs: 1_900_000_000_000 },
    credential: { accountId: 'ws' },
  });
  t.match(found.get(failed)?.standing, { kind: 'quarantined', reason: /failing/ });
  t.match(found.get('fk-one')?.standing, { kind: 'good' });
  t.match(notices, [/^token.txt, line 4: left out/, /^3 accounts were taken over/]);
  t.notMatch(notices.join(), 'canary');

  await store.remove([...found.values()].map(({ id }) => id));
  await store.close();
  const again = openIn(t, dataDir);
  await importOriginal({ dataDir, store: again, nowMs: () => 9, onNotice: (notice) => t.fail(notice) });
  t.equal(again.accounts().length, 0, 'removed accounts stay away');
  writeFileSync(join(dataDir, 'token.txt'), 'fk-two');
  rmSync(join(dataDir, 'error_token.txt'));
  await importOriginal({ dataDir, store: again, nowMs: () => 9, onNotice: () => undefined });
  t.strictSame(
    again.accounts().map(({ credential }) => credential.token),
    ['fk-two'],
  );
  await again.close();
});

t.test('KEYS_FILE gives keys their limits', (t) => {
  const dir = t.testdir({
    keys: '[{"key":"sk-1","name":"team a","requests_per_minute":60,"concurrent_streams":4},{"key":"sk-2"}]',
  });
  t.strictSame(readKeysFile(join(dir, 'keys'), 5), [
    {
      id: keyIdOf('sk-1'),
      sha256: keyDigest('sk-1'),
      name: 'team a',
      addedMs: 5,
      limits: { requestsPerMinute: 60, concurrentStreams: 4 },
    },
    {
      id: keyIdOf('sk-2'),
      sha256: keyDigest('sk-2'),
      name: keyIdOf('sk-2'),
      addedMs: 5,
      limits: { requestsPerMinute: null, concurrentStreams: null },
    },
  ]);
  t.end();
});

t.test('a bad KEYS_FILE is refused by entry and field, without the key', (t) => {
  const bad: readonly (readonly [text: string, problem: RegExp])[] = [
    ['sk-canary', /is not a JSON array/],
    ['{"key":"sk-canary"}', /is not a JSON array/],
    ['["sk-canary"]', /entry 1: is not an object/],
    ['[{"key":"a"},{"name":"sk-canary"}]', /entry 2: "key"/],
    ['[{"key":"sk canary"}]', /entry 1: "key"/],
    ['[{"key":"sk-canary","name":5}]', /entry 1: "name"/],
    ['[{"key":"sk-canary","requests_per_minute":0}]', /entry 1: "requests_per_minute"/],
    ['[{"key":"sk-canary","concurrent_streams":"4"}]', /entry 1: "concurrent_streams"/],
    ['[{"key":"sk-canary","request_per_minute":1}]', /entry 1: has a field that is not one of/],
    ['[{"key":"sk-canary"},{"key":"sk-canary"}]', /entry 2: the key stands in an earlier entry/],
  ];
  const path = join(t.testdir({}), 'keys.json');
  const refusal = (): unknown => {
    try {
      return readKeysFile(path, 0);
    } catch (thrown) {
      return thrown;
    }
  };
  t.match(refusal(), { message: /^KEYS_FILE: .*cannot be read \(ENOENT\)/ });
  for (const [text, problem] of bad) {
    writeFileSync(path, text);
    const thrown = refusal();
    t.type(thrown, StoreError);
    t.match(thrown, { message: problem });
    t.notMatch(String(thrown), 'canary');
  }
  t.end();
});
