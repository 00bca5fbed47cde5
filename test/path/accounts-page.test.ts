import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import { newDataDir } from '../helpers/data-dir.ts';
import { startProxy } from '../helpers/gateway.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import { askChat } from '../helpers/program.ts';
import { startBrokenProxy } from '../helpers/proxy.ts';
import { eventually, startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const KEYS = [
  { key: 'sk-office', name: 'Office', requests_per_minute: 600 },
  { key: 'sk-laboratory', name: 'Laboratory', concurrent_streams: 20 },
] as const;

if (!existsSync(CHROMIUM)) {
  t.plan(0, `no Chromium at ${CHROMIUM}; CHROMIUM names another`);
  process.exit();
}

const launched: Promise<Browser> = chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
t.teardown(async () => (await launched).close());

async function open(t: Test, world: World): Promise<{ page: Page; complaints: string[] }> {
  const context = await (
    await launched
  ).newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => void complaints.push(error.message));
  await page.goto(`${world.url}/tokens`);
  await page.getByLabel('Admin key').fill(ADMIN_KEY);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  return { page, complaints };
}

const refresh = (name: string): string => `${name}-`.padEnd(45, '0');

/** A pool as it looks after a day. */
const POOL = [
  ...['plus-1', 'plus-2', 'plus-3', 'free', 'team', 'flaky', 'busy'].map((name) => `eyJhbGciOi.${name}.x`),
  'eyJhbGciOi.limited-4200.x',
  'eyJhbGciOi.expired.x',
  'eyJhbGciOi.deactivated.x',
  refresh('good'),
  refresh('revoked'),
];

t.test('the page follows what the pool of the running program does', async (t) => {
  const proxies = [(await startProxy(t)).url, `http://127.0.0.1:${await startBrokenProxy(t, 'resets')}`];
  const keysFile = join(newDataDir(t), 'keys.json');
  writeFileSync(keysFile, JSON.stringify(KEYS));
  const world = await startWorld(t, {
    scenario: { firstEventDelayMs: 30 },
    env: {
      ADMIN_KEY,
      KEYS_FILE: keysFile,
      PROXY_URL: proxies.join(','),
      RETRY_TIMES: '5',
      LOG_LEVEL: 'error',
    },
  });
  const operator = operatorOf(world.port);
  const { page, complaints } = await open(t, world);
  await page.getByRole('button', { name: 'Add accounts' }).click();
  await page.getByLabel('Tokens, one per line').fill(POOL.join('\n'));
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText(`${POOL.length} added, 0 updated, 0 known, 0 rejected`).waitFor();
  const rows = page.getByRole('region', { name: 'Accounts' }).locator('tbody tr');
  await page.getByRole('button', { name: 'Close' }).click();
  await rows.nth(POOL.length - 1).waitFor();

  for (let round = 0; round < 10; round += 1) {
    const chats = Array.from({ length: 12 }, (_, at) =>
      askChat(world.port, { token: KEYS[at % 3 === 0 ? 1 : 0].key }),
    );
    await Promise.all(chats);
    await world.scenario(round === 7 ? { token: 'plus-3', error: 'too_many_requests', times: 1 } : {});
  }
  await rows.filter({ hasText: /Cooling down.*in \d+/ }).waitFor();
  for (const { id, state } of await operator.accounts()) {
    if (state !== 'disabled') await operator.call('POST', `/admin/accounts/${id}/check`);
  }
  await rows.filter({ hasText: 'Quarantined' }).first().waitFor();
  await rows.filter({ hasText: 'Disabled' }).first().waitFor();
  const limited = rows.filter({ hasText: /gpt-4o/ }).first();
  await limited.waitFor();
  t.match(await limited.innerText(), /gpt-4o\s+in 1h \d+m/, 'with the time that is left');

  await world.scenario({ firstEventDelayMs: 2_500 });
  const running = Array.from({ length: 7 }, (_, at) =>
    askChat(world.port, { token: KEYS[at % 2 === 0 ? 0 : 1].key, stream: true }),
  );
  t.ok(await eventually(async () => (await operator.summary()).inFlight === 7));
  const busy = rows.locator('td:nth-child(5)').filter({ hasText: /^[12] \/ [12]$/ });
  await busy.nth(3).waitFor();
  await page.waitForTimeout(700);
  const picture = process.env['ACCOUNTS_PAGE_PNG'] ?? join(t.testdir(), 'accounts-page.png');
  await page.screenshot({ path: picture, fullPage: true });
  await Promise.all(running);
  t.ok(await eventually(async () => (await busy.count()) === 0));
  t.same(complaints, []);
});
