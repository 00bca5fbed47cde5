import t from 'tap';
import type { Test } from 'tap';
import { createAccounts } from '../src/accounts/accounts.ts';
import type { Accounts } from '../src/accounts/accounts.ts';
import type { Desk } from '../src/admin/desk.ts';
import { createDesk } from '../src/desk.ts';
import { createWays } from '../src/outbound/ways.ts';
import { newDataDir } from './helpers/data-dir.ts';

const nobody = (): never => {
  throw new Error('nobody is to be asked');
};

/** The operator's desk over a real store. */
function open(t: Test, dataDir = newDataDir(t)): { desk: Desk; accounts: Accounts; dataDir: string } {
  const ways = createWays({
    exits: ['direct'],
    gateways: ['http://x'],
    nowMs: Date.now,
    random: Math.random,
    onEvent: () => {},
  });
  const accounts = createAccounts({
    dataDir,
    dataKey: null,
    keysFile: null,
    authorization: [],
    concurrency: 2,
    honoursLimits: true,
    maxQueue: 10,
    queueTimeoutMs: 1_000,
    oauthTokenUrl: 'http://x/',
    scheduledRefresh: false,
    userAgent: 'x',
    exchange: nobody,
    ways,
    onNotice: (notice) => t.fail(notice),
    onTransition: () => {},
  });
  t.teardown(() => accounts.close());
  return { desk: createDesk({ accounts, ways, check: nobody }), accounts, dataDir };
}

/** An access token of the same person, whichever the hour that it ends in. */
function token(hours: number): string {
  const exp = Math.floor(Date.now() / 1000) + hours * 3_600;
  const claims = { exp, 'https://api.openai.com/auth': { user_id: 'user-1' } };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}.x`;
}

t.test('what is removed while its import is on its way to the disk stays removed', async (t) => {
  const { desk, accounts } = open(t);
  const [added] = await desk.importAccounts(token(1));
  const importing = desk.importAccounts(token(2));
  const removing = desk.removeAccount(added?.id ?? '');
  t.match(await importing, [{ outcome: 'updated' }]);
  t.ok(await removing);
  t.same([accounts.pool.size, accounts.store.accounts().length], [0, 0]);
});

t.test('a fresh token does not undo what the operator said, now or after a restart', async (t) => {
  const { desk, accounts, dataDir } = open(t);
  const [added] = await desk.importAccounts(token(1));
  const id = added?.id ?? '';
  await desk.setEnabled(id, false);
  t.match(await desk.importAccounts(token(2)), [{ id, outcome: 'updated' }]);
  t.match(desk.accounts(), [{ id, state: 'disabled' }]);
  await desk.setEnabled(id, true);
  t.match(desk.accounts(), [{ id, state: 'ready' }]);
  await accounts.close();
  t.match(open(t, dataDir).desk.accounts(), [{ id, state: 'ready' }]);
});
