import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import t from 'tap';
import { createSandbox } from '../../src/sandbox/server.ts';
import { startProgram } from '../helpers/program.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

if (!existsSync(CHROMIUM)) {
  t.plan(0, `no Chromium at ${CHROMIUM}; CHROMIUM names another`);
  process.exit();
}

t.test('a browser chats on the site through the proxy, and asks nobody else', async (t) => {
  const sandbox = createSandbox({
    host: '127.0.0.1',
    port: 0,
    defaults: { answer: 'Rings over a quiet wire.' },
  });
  t.teardown(() => sandbox.close());
  const { port: upstream } = await sandbox.listen();
  const program = await startProgram(t, { CHATGPT_BASE_URL: `http://127.0.0.1:${upstream}` });
  const own = `http://127.0.0.1:${program.port}`;

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 900, height: 640 } });
  page.setDefaultTimeout(20_000);
  const asked = new Set<string>();
  const complaints: string[] = [];
  page.on('request', (request) => void asked.add(new URL(request.url()).origin));
  page.on('websocket', (socket) => void asked.add(new URL(socket.url()).origin));
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => void complaints.push(error.message));

  await page.goto(own);
  await page.getByLabel('Question').fill('What do you see?');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('p.assistant[data-done]').waitFor();
  t.equal(await page.locator('p.assistant').textContent(), 'Rings over a quiet wire.');

  await page.getByText('over the wire and back').waitFor();
  t.match(
    await page.locator('#visitor').textContent(),
    '2 cookies: oai-did, __Host-next-auth.csrf-token',
    'cookies come back under the names that upstream gave them',
  );
  const logoWidth = await page.evaluate(
    `document.getElementById('logo').complete && document.getElementById('logo').naturalWidth`,
  );
  t.equal(logoWidth, 96, 'the image is whole');
  t.equal(
    await page.evaluate(`getComputedStyle(document.querySelector('p.user')).backgroundColor`),
    'rgb(238, 241, 244)',
    'style sheets import each other',
  );
  t.strictSame([...asked].toSorted(), [own, own.replace('http', 'ws')].toSorted());
  t.strictSame(complaints, []);
  await page.screenshot({ path: process.env['SCREENSHOT'] ?? join(t.testdir(), 'page.png') });
});
