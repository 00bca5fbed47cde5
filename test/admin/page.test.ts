import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import { createAdminRoutes } from '../../src/admin/routes.ts';
import type { RequestSnapshot } from '../../src/http/request.ts';
import { serve, until } from '../http/serve.ts';
import { account, busyDesk, FakeDesk } from './fake-desk.ts';

const KEY = 'canary-admin-key-5d1c';
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const WIDE = { width: 1400, height: 1000 };
const PHONE = { width: 360, height: 780 };

if (!existsSync(CHROMIUM)) {
  t.plan(0, `no Chromium at ${CHROMIUM}; CHROMIUM names another`);
  process.exit();
}

const launched: Promise<Browser> = chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
t.teardown(async () => (await launched).close());

interface Opened {
  readonly page: Page;
  /** What the console and the content policy complained about. */
  readonly complaints: string[];
}

const addressOf = (request: RequestSnapshot): string => request.remoteAddress;

async function start(t: Test, desk: FakeDesk, prefix = ''): Promise<string> {
  const routes = createAdminRoutes({
    desk,
    adminKey: KEY,
    prefix,
    nowMs: Date.now,
    addressOf,
    liveIntervalMs: 50,
  });
  const { port } = await serve(t, { routes, prefix });
  return `http://127.0.0.1:${port}${prefix}`;
}

async function open(t: Test, base: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const browser = await launched;
  const context = await browser.newContext({ viewport: WIDE, locale: 'en-US', ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => void complaints.push(error.message));
  page.on('dialog', (dialog) => void dialog.accept());
  await page.goto(`${base}/tokens`);
  return { page, complaints };
}

async function logIn(page: Page, label = 'Admin key', submit = 'Log in'): Promise<void> {
  await page.getByLabel(label).fill(KEY);
  await page.getByRole('button', { name: submit }).click();
  await page.getByRole('button', { name: /Log out|退出/ }).waitFor();
}

async function shoot(t: Test, page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(t.testdir(), `${name}.png`), fullPage: true });
}

t.test('shows the accounts to who has the key, and follows what happens', async (t) => {
  const desk = busyDesk(Date.now());
  const base = await start(t, desk);
  const { page, complaints } = await open(t, base);
  await logIn(page);
  const rows = page.getByRole('region', { name: 'Accounts' }).locator('tbody tr');
  await rows.nth(17).waitFor();
  t.equal(await rows.count(), 18);
  await page.getByText('Live', { exact: true }).waitFor();
  const first = desk.accounts()[0]?.id ?? '';
  const row = rows.filter({ hasText: first });
  await row.getByRole('button', { name: `Disable: ${first}` }).click();
  await row.getByText('Disabled').waitFor();
  t.same(desk.calls, ['disable']);

  desk.change(first, { state: 'quarantined', reason: 'upstream refused the token' });
  desk.put(account('feedfacecafe'));
  await row.getByText('Quarantined').waitFor();
  await rows.filter({ hasText: 'feedfacecafe' }).waitFor();
  await page.getByRole('button', { name: 'Remove: feedfacecafe' }).click();
  await rows.filter({ hasText: 'feedfacecafe' }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: `Test: ${first}` }).click();
  await page.getByText('Upstream knows the account.').waitFor();
  await shoot(t, page, 'wide');
  t.same(complaints, []);
});

t.test('adds accounts from a paste and says what became of each line', async (t) => {
  const desk = new FakeDesk();
  const { page, complaints } = await open(t, await start(t, desk));
  await page.getByLabel('Admin key').fill(KEY);
  await page.keyboard.press('Enter');
  await page.getByText('No accounts yet.').waitFor();
  await page.getByRole('button', { name: 'Add accounts' }).click();
  await page.getByLabel('Tokens, one per line').fill('# mine\nalpha-token\nbad <b>line</b>\nalpha-token');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('1 added, 0 updated, 1 known, 1 rejected').waitFor();
  t.same(await page.locator('.lines .line-number').allTextContents(), ['Line 3', 'Line 2', 'Line 4']);
  t.same(await page.locator('.lines .pill').allTextContents(), ['Rejected', 'Added', 'Known']);
  const file = { name: 'more.txt', mimeType: 'text/plain', buffer: Buffer.from('beta-token\ngamma-token\n') };
  await page.getByLabel('Or a file').setInputFiles(file);
  const input = page.getByLabel('Tokens, one per line');
  while (!(await input.inputValue()).startsWith('beta')) await page.waitForTimeout(20);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('2 added, 0 updated, 0 known, 0 rejected').waitFor();
  t.equal(desk.accounts().length, 3);
  t.equal(await page.getByLabel('Tokens, one per line').inputValue(), '', 'tokens do not stay on the screen');
  await shoot(t, page, 'added');
  t.same(complaints, []);
});

t.test('searches, filters and stays quick with ten thousand accounts', async (t) => {
  const desk = new FakeDesk();
  for (let i = 0; i < 10_000; i += 1) {
    desk.put(account(i.toString(16).padStart(12, '0'), { state: i % 10 === 3 ? 'cooling' : 'ready' }));
  }
  const { page, complaints } = await open(t, await start(t, desk));
  await logIn(page);
  await page.getByText('1–50 of 10000').waitFor();
  t.equal(await page.locator('tbody tr .id').count(), 50, 'no more rows than can be looked at');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('51–100 of 10000').waitFor();
  await page.getByLabel('State').selectOption('cooling');
  await page.getByText('1–50 of 1000', { exact: true }).waitFor();
  await page.getByLabel('State').selectOption('');
  await page.getByLabel('Search').fill('00000000270f');
  await page.getByText('1–1 of 1', { exact: true }).waitFor();
  t.same(complaints, []);
});

t.test('makes a key, shows it once and removes it', async (t) => {
  const desk = new FakeDesk();
  const { page, complaints } = await open(t, await start(t, desk));
  await logIn(page);
  await page.getByLabel('Name').fill('<img src=x>');
  await page.getByLabel('Requests per minute').fill('30');
  await page.getByRole('button', { name: 'Make key' }).click();
  t.equal(await page.getByLabel('The new key').inputValue(), 'sk-made-key1');
  t.match(desk.keys()[0], { name: '<img src=x>', requestsPerMinute: 30, concurrentStreams: null });
  await page.getByRole('button', { name: 'Remove: <img src=x>' }).click();
  t.ok(await until(() => desk.keys().length === 0));
  await page.reload();
  await page.getByText('No keys.').waitFor();
  t.equal(await page.getByText('sk-made-key1').count(), 0);
  t.same(complaints, []);
});

t.test('refuses a wrong key and forgets who logs out', async (t) => {
  const { page } = await open(t, await start(t, busyDesk(Date.now())));
  await page.getByLabel('Admin key').fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText("That is not this proxy's ADMIN_KEY.").waitFor();
  await logIn(page);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Admin key').waitFor();
  await page.reload();
  await page.getByLabel('Admin key').waitFor();
  t.equal(await page.getByRole('table').count(), 0);
});

t.test('works under a prefix, on a phone, in Chinese and in the dark', async (t) => {
  const base = await start(t, busyDesk(Date.now()), '/some/prefix');
  const options = { viewport: PHONE, colorScheme: 'dark', locale: 'zh-CN' } as const;
  const { page, complaints } = await open(t, base, options);
  await logIn(page, '管理密钥', '登录');
  await page.getByText('实时', { exact: true }).waitFor();
  await page.getByText('冷却中').first().waitFor();
  const width = await page.evaluate('document.documentElement.scrollWidth');
  t.ok(Number(width) <= PHONE.width, `nothing is wider than the phone: ${String(width)}`);
  await shoot(t, page, 'phone-zh-dark');
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByText('Cooling down').first().waitFor();
  await shoot(t, page, 'phone-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await shoot(t, page, 'phone');
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot(t, page, 'wide-dark');
  t.same(complaints, []);
});

t.test('asks again and again where the stream does not come through', async (t) => {
  const desk = busyDesk(Date.now());
  const base = await start(t, desk);
  const { page } = await open(t, base);
  await page.clock.install();
  await page.route('**/admin/events', (route) => route.fulfill({ status: 502, body: '' }));
  await logIn(page);
  await page.getByText('Every 5 s').waitFor();
  desk.put(account('feedfacecafe'));
  await page.clock.fastForward(5_000);
  await page.getByText('feedfacecafe').first().waitFor();
  t.pass('the change came without the stream');
});
