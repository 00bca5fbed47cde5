import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Env } from '../../src/config.ts';
import { newDataDir } from '../helpers/data-dir.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import { askChat, spawnProgram, startProcess } from '../helpers/program.ts';
import { startWorld } from '../helpers/world.ts';

const KEY = 'sk-client';
const DATA_KEY = 'canary-data-key';
const DB = 'accounts.db';
const ROUNDS = 2;
const BATCHES = 14;
const BATCH = 25;

const token = (number: number): string => `eyJhbGciOi.import-${number}.x`;

/** Nothing is asked upstream but what a test asks. */
const envOf = (dataDir: string, extra: Env = {}): Env => ({
  ADMIN_KEY,
  AUTHORIZATION: KEY,
  DATA_DIR: dataDir,
  LOG_LEVEL: 'info',
  CHATGPT_BASE_URL: 'http://127.0.0.1:9',
  ...extra,
});

/** After so many acknowledged batches the process is killed, with the others under way. */
const DEATHS = [9, 3, 6];

t.test('no import that was acknowledged is lost, whenever the process is killed', async (t) => {
  const dataDir = newDataDir(t);
  const promised = new Set<string>();
  let sent = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const program = await startProcess(t, envOf(dataDir, { DATA_KEY }));
    const operator = operatorOf(program.port);
    const found = new Set((await operator.accounts()).map(({ id }) => id));
    t.same(
      [...promised].filter((id) => !found.has(id)),
      [],
      `round ${round}: ${promised.size} promised, ${found.size} found`,
    );
    let acknowledged = 0;
    const batches = Array.from({ length: BATCHES }, async () => {
      const lines = Array.from({ length: BATCH }, () => token((sent += 1)));
      const verdicts = await operator.add(lines).catch(() => []);
      for (const { id } of verdicts) promised.add(id ?? '');
      acknowledged += verdicts.length > 0 ? 1 : 0;
      if (acknowledged === DEATHS[round]) program.child.kill('SIGKILL');
    });
    await Promise.all(batches);
    program.child.kill('SIGKILL');
    t.equal(await program.exited, 'SIGKILL');
  }
  t.equal(sent, ROUNDS * BATCHES * BATCH);
  t.ok(promised.size >= 12 * BATCH && promised.size <= sent, `${promised.size} of ${sent} were promised`);
  const program = await startProcess(t, envOf(dataDir, { DATA_KEY }));
  const views = await operatorOf(program.port).accounts();
  t.ok(promised.size <= views.length);
  t.notMatch(program.output(), /damaged|canary/);
});

t.test('what became of accounts and keys survives a restart', async (t) => {
  const dataDir = newDataDir(t);
  const world = await startWorld(t);
  const env = envOf(dataDir, { CHATGPT_BASE_URL: world.upstream, CONVERSATION_ONLY: 'false' });
  const before = await startProcess(t, env);
  const operator = operatorOf(before.port);
  const names = ['limited-900', 'deactivated', 'expired', 'idle'];
  const ids = (await operator.add(names.map((name) => `eyJhbGciOi.${name}.x`))).map(({ id }) => id ?? '');
  for (let turn = 0; turn < names.length; turn += 1) await askChat(before.port, { token: KEY });
  await operator.call('POST', `/admin/accounts/${ids[3]}/disable`);
  const limits = { name: 'made', requestsPerMinute: 7 };
  const made = JSON.parse((await operator.call('POST', '/admin/keys', JSON.stringify(limits))).text) as {
    readonly key: string;
    readonly id: string;
  };
  const told = await operator.accounts();
  t.match(
    told.map(({ state }) => state),
    ['ready', 'disabled', 'quarantined', 'disabled'],
  );
  await sleep(1_500);
  before.child.kill('SIGKILL');
  await before.exited;

  const after = await startProcess(t, env);
  const again = await operatorOf(after.port).accounts();
  t.same(
    again.map(({ id, state, reason, limits }) => ({ id, state, reason, limits })),
    told.map(({ id, state, reason, limits }) => ({ id, state, reason, limits })),
  );
  t.match(again[0]?.limits, [{ model: 'gpt-4o' }]);
  t.match(
    (await operatorOf(after.port).keys()).find(({ id }) => id === made.id),
    limits,
  );
  const asked = (await world.conversations()).length;
  t.equal((await askChat(after.port, { token: made.key })).status, 429);
  t.equal((await world.conversations()).length, asked, 'the limit is remembered');
  after.child.kill('SIGTERM');
  t.equal(await after.exited, 0);
});

t.test('one DATA_DIR serves one process; a wrong key opens nothing', async (t) => {
  const dataDir = newDataDir(t);
  const env = envOf(dataDir, { DATA_KEY });
  const first = await startProcess(t, env);
  await operatorOf(first.port).add([token(1)]);
  const second = spawnProgram(t, env);
  t.equal(await second.exited, 78);
  t.match(second.output(), /^DATA_DIR is in use by another process/);
  t.equal(second.output().trim().split('\n').length, 1, second.output());
  first.child.kill('SIGTERM');
  t.equal(await first.exited, 0);
  const wrong = spawnProgram(t, envOf(dataDir, { DATA_KEY: 'canary-other-key' }));
  t.equal(await wrong.exited, 78);
  t.match(wrong.output(), 'DATA_KEY');
  t.equal(wrong.output().trim().split('\n').length, 1, wrong.output());
  t.notMatch(wrong.output(), /canary/);
  const right = await startProcess(t, env);
  t.equal((await operatorOf(right.port).accounts()).length, 1, 'and nothing was harmed');
});

t.test('a damaged store is set aside, said so, and the rest goes on', async (t) => {
  const dataDir = newDataDir(t);
  writeFileSync(join(dataDir, DB), Buffer.alloc(8_192, 'no database'));
  const program = await startProcess(t, envOf(dataDir));
  t.match(program.output(), /"level":"?(40|warn)[^\n]*damaged/);
  t.equal(readdirSync(dataDir).filter((name) => name.startsWith(`${DB}.damaged-`)).length, 1);
  t.equal((await operatorOf(program.port).add([token(1)])).length, 1);
});

t.test('keys that cannot be read end the start, and are not shown', async (t) => {
  const keysFile = join(newDataDir(t), 'keys.json');
  writeFileSync(keysFile, '[{"key":"sk-canary"},{"key":"sk-canary","limit":1}]');
  const { exited, output } = spawnProgram(t, envOf(newDataDir(t), { KEYS_FILE: keysFile }));
  t.equal(await exited, 78);
  t.match(output(), /^KEYS_FILE: .*entry 2/);
  t.equal(output().trim().split('\n').length, 1, output());
  t.notMatch(output(), /canary/);
});
