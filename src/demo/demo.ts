import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { createApp } from '../app.ts';
import { parseConfig } from '../config.ts';
import type { Env } from '../config.ts';
import { createLog } from '../log.ts';
import type { Log } from '../log.ts';
import type { Trace } from '../chat/ports.ts';
import { streamChat } from './stream-chat.ts';

export interface DemoOptions {
  readonly env: Env;
  /** The program's own file, to start the sandbox with. */
  readonly program: string;
  /** Says nothing about how to go on. */
  readonly once: boolean;
  readonly print: (text: string) => void;
}

interface Sandbox {
  readonly child: ChildProcess;
  readonly port: number;
}

/** Of a pool that lives as long as the demo. */
const ADMIN_KEY = 'demo';
const QUESTION = 'Write a haiku about a proxy.';

/** Sandbox and proxy, one chat through both; resolves when the chat was printed and both still run. */
export async function runDemo(options: DemoOptions): Promise<{ stop(): Promise<void> }> {
  const { env, print } = options;
  const sandbox = await startSandbox(options.program, env);
  const upstream = `http://127.0.0.1:${sandbox.port}`;
  const dataDir = mkdtempSync(join(tmpdir(), 'chat2api-demo-'));
  const config = parseConfig({
    LOG_LEVEL: 'warn',
    ADMIN_KEY,
    ...env,
    CHATGPT_BASE_URL: upstream,
    OAUTH_TOKEN_URL: `${upstream}/oauth/token`,
    PROXY_URL: '',
    DATA_DIR: dataDir,
  });
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  let trace: Trace | null = null;
  const app = createApp(
    config,
    watching(log, (seen) => (trace = seen)),
  );
  const stop = async (): Promise<void> => {
    await app.close();
    sandbox.child.kill();
    await log.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    const { port } = await app.listen();
    const base = `http://127.0.0.1:${port}${config.apiPrefix}`;
    const key = config.authorization[0] ?? 'anything';
    print(`sandbox  ${upstream}  stands in for the ChatGPT backend, in a process of its own\n`);
    print(`proxy    ${base}/v1  an OpenAI endpoint, ${app.nativeBuild}\n\n> ${QUESTION}\n\n`);
    const summary = await streamChat({ base, key, question: QUESTION, print });
    print(`\n\n${phases(trace)}${summary}\n`);
    if (options.once) return { stop };
    await importAccounts(base, config.adminKey ?? ADMIN_KEY);
    const site = config.enableGateway ? `http://127.0.0.1:${port}/ (the web chat), ` : '';
    print(nextSteps(base, site, key, config.adminKey ?? ADMIN_KEY));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { stop };
}

/** The log, with an ear for chats. */
function watching(log: Log, onChat: (trace: Trace) => void): Log {
  return {
    ...log,
    logRequest(record) {
      if (record.notes.trace) onChat(record.notes.trace);
      log.logRequest(record);
    },
  };
}

/** A process of its own, so that what it costs is not the proxy's. Takes any port when its own is taken. */
async function startSandbox(program: string, env: Env): Promise<Sandbox> {
  return startSandboxOn(program, env).catch(() => startSandboxOn(program, { ...env, SANDBOX_PORT: '0' }));
}

function startSandboxOn(program: string, env: Env): Promise<Sandbox> {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
    const child = fork(program, ['sandbox'], { env: { ...env, HOST: '127.0.0.1' }, stdio: [...stdio] });
    child.once('message', (message) => {
      // Nothing more is said over this channel, and an open one would keep both processes alive.
      child.disconnect();
      resolve({ child, port: (message as { port: number }).port });
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`the sandbox ended with exit code ${code} before it listened`)),
    );
    process.once('exit', () => child.kill());
  });
}

function phases(trace: Trace | null): string {
  if (trace === null || trace.clearedMs === null || trace.firstTextMs === null) return '';
  const clearanceMs = trace.clearedMs - (trace.leasedMs ?? 0);
  return `requirements and proof of work ${clearanceMs} ms, then the first token after ${trace.firstTextMs - trace.clearedMs} ms\n`;
}

/** Some accounts as the sandbox knows them, so that the accounts page has something to show. */
async function importAccounts(base: string, adminKey: string): Promise<void> {
  const body = ['paid', 'free', 'limited-600', 'busy', 'deactivated', 'flaky']
    .map((fate) => `eyJhbGciOi.demo-${fate}.x\n`)
    .join('');
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'text/plain' };
  await fetch(`${base}/admin/accounts`, { method: 'POST', headers, body });
}

function nextSteps(base: string, site: string, key: string, adminKey: string): string {
  return `
Ask it yourself:

  curl ${base}/v1/chat/completions -H 'content-type: application/json' \\
    -H 'authorization: Bearer ${key}' \\
    -d '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

Or with the OpenAI SDK:

  import OpenAI from 'openai';
  const client = new OpenAI({ baseURL: '${base}/v1', apiKey: '${key}' });
  const chat = await client.chat.completions.create({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'Hello!' }],
  });
  console.log(chat.choices[0].message.content);

Other things to ask: "draw a cat", "run some code", "plot a curve", "search the web for ice",
"think about the moon". Images and files come as links that open.

Open in a browser: ${site}${base}/tokens (the accounts, key: ${adminKey}),
${base}/v1/models, ${base}/metrics and ${base}/readyz. Ctrl-C stops both.
`;
}
