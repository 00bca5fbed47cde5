import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openStore } from '../../src/accounts/store.ts';
import type { AccountRecord } from '../../src/accounts/records.ts';
import { account, accounts, key } from './records.ts';

const DB = 'accounts.db';
const LOG = 'accounts.db-wal';
const COUNT = 40;

interface Start {
  readonly accounts: readonly AccountRecord[];
  readonly keys: number;
  readonly notices: readonly string[];
}

/** Starts twice: what the first start found and made of it must satisfy the second. */
async function start(dataDir: string, dataKey: string | null = null): Promise<Start> {
  const once = async (): Promise<Start> => {
    const notices: string[] = [];
    const store = openStore({
      dataDir,
      dataKey,
      nowMs: Date.now,
      onNotice: (notice) => notices.push(notice),
    });
    const [found, keys] = [store.accounts(), store.keys().length];
    await store.close();
    return { accounts: found, keys, notices };
  };
  const first = await once();
  const second = await once();
  t.strictSame(
    [second.accounts.length, second.notices],
    [first.accounts.length, []],
    'the next start is quiet',
  );
  return first;
}

/** A store with a history; `log`: as a process that was killed leaves it. */
async function fill(dir: string, kind: 'closed' | 'log', dataKey: string | null = null): Promise<void> {
  const work = `${dir}-work`;
  const store = openStore({ dataDir: work, dataKey, nowMs: Date.now, onNotice: () => undefined });
  await store.save(accounts(COUNT));
  await store.saveKey(key(1));
  for (let number = 0; number < COUNT; number += 3) await store.save([account(number, 1)]);
  await store.remove([account(1).id]);
  mkdirSync(dir);
  if (kind === 'log') for (const name of [DB, LOG]) copyFileSync(join(work, name), join(dir, name));
  await store.close();
  if (kind === 'closed') copyFileSync(join(work, DB), join(dir, DB));
}

const EXPECTED = new Map(
  accounts(COUNT)
    .map((record, number) => (number % 3 === 0 ? account(number, 1) : record))
    .filter(({ id }) => id !== account(1).id)
    .map((record) => [record.id, record]),
);

/** Each record as it was saved at some time. */
const EVER = new Set([...accounts(COUNT), ...accounts(COUNT, 1)].map((record) => JSON.stringify(record)));

function backups(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith('accounts.db.damaged-'));
}

/** The same numbers in each run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Damage = (bytes: Buffer, random: (below: number) => number) => Buffer;

const flipBits: Damage = (bytes, random) => {
  const flips = 1 + random(random(4) === 0 ? 40 : 2);
  for (let flip = 0; flip < flips; flip += 1) {
    const at = random(3) === 0 ? random(Math.min(200, bytes.length)) : random(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  }
  return bytes;
};
const truncate: Damage = (bytes, random) => bytes.subarray(0, random(bytes.length));
const scribble: Damage = (bytes, random) => {
  const at = random(bytes.length);
  return bytes.fill(random(256), at, Math.min(bytes.length, at + 1 + random(20_000)));
};

function check(dir: string, started: Start, label: string): number {
  const wrong = started.accounts.filter((record) => !EVER.has(JSON.stringify(record)));
  const removed = started.accounts.some(({ id }) => id === account(1).id);
  const current = started.accounts.filter(
    (record) => JSON.stringify(record) === JSON.stringify(EXPECTED.get(record.id)),
  );
  const lost = EXPECTED.size - current.length + 1 - started.keys;
  const isToldOf =
    backups(dir).length > 0 && started.notices.some((notice) => notice.includes('was damaged'));
  if (wrong.length > 0 || removed) t.fail(`${label}: wrong records`);
  if (lost > 0 && !isToldOf) t.fail(`${label}: ${lost} lost without a word`);
  return lost;
}

async function damageLoop(dir: string, name: string, damage: Damage, rounds: number): Promise<number> {
  const original = readFileSync(join(dir, name));
  let lost = 0;
  for (let round = 0; round < rounds; round += 1) {
    const copy = `${dir}-copy`;
    cpSync(dir, copy, { recursive: true });
    writeFileSync(join(copy, name), damage(Buffer.from(original), createRandom(round * 7919 + 1)));
    lost += check(copy, await start(copy), `${name}, round ${round}`);
    rmSync(copy, { recursive: true });
  }
  return lost / rounds;
}

t.test('whatever befalls the database, the start succeeds, and nothing wrong comes out', async (t) => {
  const dir = join(t.testdir({}), 'data');
  await fill(dir, 'closed');
  const flipped = await damageLoop(dir, DB, flipBits, 30);
  t.ok(flipped < 5, `a few flipped bits cost ${flipped} records on average`);
  const truncated = await damageLoop(dir, DB, truncate, 8);
  const scribbled = await damageLoop(dir, DB, scribble, 8);
  t.ok(truncated > 1 && scribbled > 1, 'the damage is real');
});

t.test('the same with the log of a process that was killed', async (t) => {
  const dir = join(t.testdir({}), 'data');
  await fill(dir, 'log');
  const whole = `${dir}-whole`;
  cpSync(dir, whole, { recursive: true });
  const started = await start(whole);
  t.strictSame(new Map(started.accounts.map((record) => [record.id, record])), EXPECTED);
  t.strictSame([started.notices, backups(whole)], [[], []], 'a log alone is no damage');
  t.ok((await damageLoop(dir, DB, flipBits, 6)) < 5);
  t.ok((await damageLoop(dir, LOG, flipBits, 15)) < 5);
  await damageLoop(dir, LOG, scribble, 6);
});

t.test('a log that ends early is how a killed process leaves it: no damage', async (t) => {
  const dir = join(t.testdir({}), 'data');
  await fill(dir, 'log');
  const log = readFileSync(join(dir, LOG));
  writeFileSync(join(dir, LOG), log.subarray(0, log.length - 5_000));
  const started = await start(dir);
  t.ok(started.accounts.length >= EXPECTED.size - 1);
  t.strictSame([started.notices, backups(dir)], [[], []]);
});

t.test('what lies in the place of the database is moved aside', async (t) => {
  const places: Readonly<Record<string, (dir: string) => void>> = {
    empty: (dir) => writeFileSync(join(dir, DB), ''),
    noise: (dir) => writeFileSync(join(dir, DB), Buffer.alloc(30_000, 'no database at all')),
    directory: (dir) => mkdirSync(join(dir, DB, 'with', 'more'), { recursive: true }),
    'log alone': (dir) => writeFileSync(join(dir, LOG), Buffer.alloc(30_000, 7)),
    'directory as log': (dir) => mkdirSync(join(dir, LOG)),
  };
  for (const [label, place] of Object.entries(places)) {
    const dir = t.testdir({});
    place(dir);
    writeFileSync(join(dir, 'accounts.lock'), 'noise '.repeat(1_000));
    const started = await start(dir);
    t.strictSame(started.accounts, [], label);
    t.match(started.notices, [/was damaged: .* 0 accounts/], label);
    t.ok(backups(dir).length > 0, label);
  }
});

t.test('the log of another store does not get in', async (t) => {
  const root = t.testdir({});
  const [ours, theirs] = [join(root, 'ours'), join(root, 'theirs')];
  await fill(ours, 'closed');
  await fill(theirs, 'log');
  copyFileSync(join(theirs, LOG), join(ours, LOG));
  const started = await start(ours);
  t.strictSame(new Map(started.accounts.map((record) => [record.id, record])), EXPECTED);
  t.match(started.notices, [/of another database/]);
});

t.test('an encrypted store survives damage, and is not given up for a wrong key', async (t) => {
  const dir = join(t.testdir({}), 'data');
  await fill(dir, 'closed', 'the key');
  const bytes = readFileSync(join(dir, DB));
  bytes.fill(0, 0, 100);
  writeFileSync(join(dir, DB), bytes);
  t.throws(
    () => openStore({ dataDir: dir, dataKey: 'x', nowMs: Date.now, onNotice: () => undefined }),
    /DATA_KEY/,
  );
  t.strictSame(backups(dir), []);
  const started = await start(dir, 'the key');
  t.strictSame(new Map(started.accounts.map((record) => [record.id, record])), EXPECTED);
  t.equal(backups(dir).length, 1);
});

t.test('kill -9 at any moment loses nothing that was acknowledged', async (t) => {
  const dir = t.testdir({});
  const program = fileURLToPath(new URL('./store-child.script.js', import.meta.url));
  const random = createRandom(1);
  let acknowledged = 0;
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(process.execPath, [program, dir, String(round * 1_000), '1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const ended = new Promise((resolve) => child.on('close', resolve));
    const began = new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.on('data', (part: Buffer) => void (output += part.toString()));
    await Promise.race([began, ended]);
    await sleep(random(120));
    child.kill('SIGKILL');
    await ended;
    const numbers =
      output
        .slice(0, output.lastIndexOf('\n') + 1)
        .match(/\d+/g)
        ?.map(Number) ?? [];
    acknowledged += numbers.length;
    const started = await start(dir);
    const found = new Map(started.accounts.map((record) => [record.id, record]));
    t.strictSame(started.notices, [], 'no damage');
    const missing = numbers.filter(
      (number) => JSON.stringify(found.get(account(number).id)) !== JSON.stringify(account(number)),
    );
    t.strictSame(missing, [], `round ${round}: ${numbers.length} acknowledged`);
  }
  t.ok(acknowledged >= 80, `${acknowledged} acknowledged`);
});
