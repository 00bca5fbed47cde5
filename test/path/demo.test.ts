import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { until } from '../http/serve.ts';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const PNG_MAGIC = '89504e470d0a1a0a';

interface Demo {
  readonly child: ChildProcess;
  readonly output: () => string;
}

function startDemo(t: Test, ...args: string[]): Demo {
  const child = spawn(process.execPath, [MAIN, 'demo', ...args], {
    env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', SANDBOX_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  return { child, output: () => output };
}

t.test('the demo holds one chat, tells how to go on, and draws a cat behind a link that opens', async (t) => {
  const { child, output } = startDemo(t);
  await until(() => output().includes('Ctrl-C'), 30_000);
  t.match(output(), /Morning on the wire[^]*requirements and proof of work \d+ ms[^]*curl http/);
  const base = /proxy +(http:\S+\/v1) /.exec(output())?.[1] ?? '';
  const response = await fetch(`${base}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer anything' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'draw a cat' }] }),
  });
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  const link = /!\[image\]\((http[^)]+)\)/.exec(choices[0]?.message.content ?? '')?.[1] ?? '';
  const picture = Buffer.from(await (await fetch(link)).arrayBuffer());
  t.equal(picture.subarray(0, 8).toString('hex'), PNG_MAGIC);
  const sandbox = /sandbox +(http:\S+)/.exec(output())?.[1] ?? '';
  child.kill('SIGINT');
  t.strictSame(await once(child, 'exit'), [0, null]);
  await t.rejects(fetch(sandbox), 'the sandbox went with it');
});

t.test('with --once it ends after the chat', async (t) => {
  const { child, output } = startDemo(t, '--once');
  t.strictSame(await once(child, 'exit'), [0, null], output());
  t.match(output(), /complete after \d+ ms\n$/);
});
