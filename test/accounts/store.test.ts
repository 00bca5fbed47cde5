import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import SQLite from 'libsql';
import t from 'tap';
import type { Test } from 'tap';
import { openStore } from '../../src/accounts/store.ts';
import type { Store } from '../../src/accounts/store.ts';
import { UNREADABLE, encodeLine, findLines, readRecord } from '../../src/accounts/storage/line.ts';
import { createSeal } from '../../src/accounts/storage/sealed.ts';
import { StoreError } from '../../src/accounts/store-error.ts';
import { CANARY, account, accounts, key } from './records.ts';

interface Opened {
  readonly store: Store;
  readonly notices: string[];
}

function open(t: Test, dataDir: string, dataKey: string | null = null): Opened {
  const notices: string[] = [];
  const store = openStore({ dataDir, dataKey, nowMs: Date.now, onNotice: (notice) => notices.push(notice) });
  // The directory may be gone before: tests that care close the store themselves.
  t.teardown(() => store.close().catch(() => undefined));
  return { store, notices };
}

/** What a fresh start finds. */
async function reopened(t: Test, dataDir: string, dataKey: string | null = null): Promise<Opened> {
  const opened = open(t, dataDir, dataKey);
  await opened.store.close();
  return opened;
}

function byId<T extends { readonly id: string }>(records: readonly T[]): T[] {
  return records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function bytesIn(dir: string): Buffer {
  return Buffer.concat(readdirSync(dir).map((name) => readFileSync(join(dir, name))));
}

function refusal(dataDir: string, dataKey: string | null = null): string {
  try {
    openStore({ dataDir, dataKey, nowMs: Date.now, onNotice: () => undefined });
    return 'opened';
  } catch (thrown) {
    return thrown instanceof StoreError ? thrown.message : `not a StoreError: ${String(thrown)}`;
  }
}

/** Calls `watch` before each commit of any database, until the returned function is called. */
function beforeCommit(t: Test, watch: (db: SQLite.Database) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(SQLite.prototype, 'exec') as PropertyDescriptor;
  const exec = own.value as (this: SQLite.Database, sql: string) => SQLite.Database;
  const restore = (): void => void Object.defineProperty(SQLite.prototype, 'exec', own);
  SQLite.prototype.exec = function (sql) {
    if (sql === 'COMMIT') watch(this);
    return exec.call(this, sql);
  };
  t.teardown(restore);
  return restore;
}

t.test('what was saved is there after a restart, and what was removed is not', async (t) => {
  const dir = join(t.testdir({}), 'made', 'here');
  const { store } = open(t, dir);
  await Promise.all([store.save(accounts(250)), store.saveKey(key(1)), store.saveKey(key(2))]);
  await store.save([account(3, 1)]);
  await store.remove([account(4).id, 'unknown']);
  await store.removeKey(key(2).id);
  await store.saveImported('token.txt', 'hash');
  const expected = accounts(250).filter((_, number) => number !== 4);
  expected[3] = account(3, 1);
  t.strictSame(byId(store.accounts()), byId(expected), 'at once');
  await store.close();
  await store.close();
  for (const round of ['first', 'second']) {
    const again = await reopened(t, dir);
    t.strictSame(byId(again.store.accounts()), byId(expected), `${round} start`);
    t.strictSame(again.store.keys(), [key(1)]);
    t.equal(again.store.importedHash('token.txt'), 'hash');
    t.strictSame(again.notices, []);
  }
});

t.test('only our user may read the directory and its files', async (t) => {
  const dir = join(t.testdir({}), 'data');
  const { store } = open(t, dir);
  await store.save(accounts(2));
  t.equal(statSync(dir).mode & 0o777, 0o700);
  const names = readdirSync(dir);
  t.ok(names.includes('accounts.db-wal'));
  for (const name of names) t.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
});

t.test('notes are written within a second or so, by flush at once, and raise no dead', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.save(accounts(300));
  for (const record of accounts(300, 1)) store.note(record);
  t.notOk(bytesIn(dir).includes(`${CANARY}299-1-`), 'not yet');
  await sleep(1_500);
  for (const number of [0, 299]) t.ok(bytesIn(dir).includes(`${CANARY}${number}-1-`), `note ${number}`);
  store.note(account(5, 2));
  await store.flush();
  t.ok(bytesIn(dir).includes(`${CANARY}5-2-`), 'flushed');
  store.note(account(6, 2));
  await store.remove([account(6).id]);
  store.note(account(6, 3));
  store.note(account(7, 4));
  await store.close();
  store.note(account(7, 5));
  await t.rejects(store.save([account(7, 6)]), StoreError);
  const { store: again } = await reopened(t, dir);
  t.notOk(again.accounts().some(({ id }) => id === account(6).id));
  t.strictSame(
    again.accounts().find(({ id }) => id === account(7).id),
    account(7, 4),
    'close flushes',
  );
});

t.test('the loop turns while many accounts are saved', async (t) => {
  const { store } = open(t, t.testdir({}));
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  await store.save(accounts(1_000));
  clearInterval(count);
  t.ok(turns >= 3, `${turns} turns`);
});

t.test('a second user of the directory is refused, and harms nothing', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.save(accounts(3));
  t.match(refusal(dir), /in use by another process/);
  await store.save([account(3)]);
  await store.close();
  t.equal((await reopened(t, dir)).store.accounts().length, 4);
});

t.test('a directory that cannot be used ends the start with words', (t) => {
  const dir = t.testdir({ file: 'x' });
  t.match(refusal(join(dir, 'file')), /^DATA_DIR: .* cannot be used \(\w+\)\. Make it a directory/);
  t.match(refusal(join(dir, 'file', 'below')), /^DATA_DIR: .* cannot be used \(ENOTDIR\)/);
  t.end();
});

t.test('a newer store is refused, and left as it is', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.close();
  const path = join(dir, 'accounts.db');
  const db = new SQLite(path);
  db.exec('PRAGMA user_version = 2; PRAGMA application_id = 2');
  db.close();
  t.match(refusal(dir), /newer version/);
  t.match(refusal(dir), /newer version/, 'still');
  t.strictSame(
    readdirSync(dir).filter((name) => name.includes('damaged')),
    [],
  );
});

t.test('a disk that does not take changes is told of, and tried again', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.save(accounts(1));
  const stopWatching = beforeCommit(t, () => {
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  });
  await t.rejects(store.save([account(1)]), /^DATA_DIR cannot be written \(SQLITE_FULL\)/);
  stopWatching();
  await store.save([account(2)]);
  await store.close();
  t.strictSame(byId((await reopened(t, dir)).store.accounts()), byId(accounts(3)));
});

t.test('what somebody waits for is forced to the disk, and notes are not', async (t) => {
  const { store } = open(t, t.testdir({}));
  const forced: unknown[] = [];
  const stopWatching = beforeCommit(t, (db) => {
    forced.push(...(db.prepare('PRAGMA synchronous').raw().all() as unknown[][]).flat());
  });
  await Promise.all([store.save([account(1)]), store.save([account(2)])]);
  t.strictSame(forced, [2], 'FULL, and both in one transaction');
  store.note(account(1, 1));
  await sleep(1_500);
  t.strictSame(forced, [2, 1], 'NORMAL');
  stopWatching();
  await store.close();
});

t.test('with DATA_KEY no token is in any file', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir, 'the key');
  await store.save(accounts(50));
  store.note(account(1, 1));
  await store.flush();
  t.notOk(bytesIn(dir).includes(CANARY), 'while it runs');
  await store.close();
  t.notOk(bytesIn(dir).includes(CANARY), 'afterwards');
  const { store: again, notices } = await reopened(t, dir, 'the key');
  const expected = accounts(50);
  expected[1] = account(1, 1);
  t.strictSame(byId(again.accounts()), byId(expected));
  t.strictSame(notices, []);
});

t.test('a store without encryption gets it when DATA_KEY is set', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.save(accounts(300));
  await store.save(accounts(300, 1));
  await store.remove([account(0).id]);
  t.ok(bytesIn(dir).includes(CANARY), 'the search finds tokens');
  await store.close();
  t.ok(bytesIn(dir).includes(CANARY));
  const { store: again } = open(t, dir, 'the key');
  t.notOk(bytesIn(dir).includes(CANARY), 'at once');
  await again.close();
  t.notOk(bytesIn(dir).includes(CANARY), 'afterwards');
  t.strictSame(byId((await reopened(t, dir, 'the key')).store.accounts()), byId(accounts(300, 1).slice(1)));
});

t.test('without DATA_KEY, or with another, nothing opens and nothing is lost', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir, 'the key');
  await store.save(accounts(3));
  await store.close();
  t.match(refusal(dir), /^DATA_KEY is missing/);
  t.match(refusal(dir, 'another'), /^DATA_KEY is not the one/);
  t.strictSame(byId((await reopened(t, dir, 'the key')).store.accounts()), byId(accounts(3)));
});

t.test('an account that is removed leaves no trace once the program was restarted', async (t) => {
  const dir = t.testdir({});
  const { store } = open(t, dir);
  await store.save(accounts(200));
  await store.save(accounts(200, 1));
  await store.remove(accounts(200).map(({ id }) => id));
  await store.close();
  await reopened(t, dir);
  t.notOk(bytesIn(dir).includes(CANARY));
  t.notOk(bytesIn(dir).includes(account(1).id), 'not even its name');
});

t.test('what was sealed for one account opens for no other', (t) => {
  const seal = createSeal('the key', 'salt');
  const place = { store: '0'.repeat(32), sequence: 1, name: 'a:one' };
  const [line] = findLines(Buffer.from(encodeLine(place, { token: CANARY }, seal)));
  if (line === undefined) throw new Error('no line');
  t.strictSame(readRecord(line, seal), { token: CANARY });
  t.equal(readRecord({ ...line, name: 'a:two' }, seal), UNREADABLE);
  t.equal(readRecord({ ...line, sequence: 2 }, seal), UNREADABLE);
  t.equal(readRecord(line, createSeal('another key', 'salt')), UNREADABLE);
  t.end();
});
