import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import type { App, AppSeams } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Env } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import './bare-threads.ts';
import { newDataDir } from './data-dir.ts';
import { loadTokenizer } from '../../src/tokens/tokenizer.ts';

/** One line of the log, as far as tests look at it. */
interface LogLine {
  readonly msg: string;
  readonly outcome?: string;
  readonly attempts?: number;
  readonly node?: string;
  readonly route?: string;
  readonly status?: number | null;
  readonly port?: number;
  readonly error?: { readonly code?: string; readonly message?: string };
}

export interface Program {
  readonly app: App;
  readonly port: number;
  /** The log as it was written. */
  readonly lines: readonly string[];
  logged(): LogLine[];
}

const BASE: Env = { HOST: '127.0.0.1', PORT: '0', POW_THREADS: '1', LOG_LEVEL: 'trace', LOG_FORMAT: 'json' };

/** The whole program in this process. Vocabularies are loaded, so that nothing later waits for them. */
export async function startProgram(t: Test, env: Env, seams: AppSeams = {}): Promise<Program> {
  await Promise.all([loadTokenizer('o200k_base'), loadTokenizer('cl100k_base')]);
  const lines: string[] = [];
  const config = parseConfig({ ...BASE, DRAIN_TIMEOUT_MS: '0', DATA_DIR: newDataDir(t), ...env });
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat,
    stream: { write: (line) => lines.push(line) },
  });
  const app = createApp(config, log, seams);
  t.teardown(() => app.close());
  const { port } = await app.listen();
  return { app, port, lines, logged: () => lines.map((line) => JSON.parse(line) as LogLine) };
}

export interface ProgramProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** What it wrote so far. */
  output(): string;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
}

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** The program as a process of its own that need not come to listen. */
export function spawnProgram(t: Test, env: Env): Omit<ProgramProcess, 'port'> {
  const child = spawn(process.execPath, [MAIN], {
    cwd: t.testdir({}),
    env: { PATH: process.env['PATH'], ...BASE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  let output = '';
  const keep = (part: Buffer): void => void (output += part.toString());
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, output: () => output, exited };
}

/** The same, listening. */
export async function startProcess(t: Test, env: Env): Promise<ProgramProcess> {
  const running = spawnProgram(t, env);
  const listening = /"port":(\d+)[^\n]*"msg":"listening"/;
  const deadline = Date.now() + 40_000;
  while (!listening.test(running.output())) {
    if (Date.now() > deadline || running.child.exitCode !== null) throw new Error(running.output());
    await sleep(20);
  }
  return { ...running, port: Number(listening.exec(running.output())?.[1]) };
}

export const IDLE = { requests: 0, leases: 0, proofsQueued: 0, proofsRunning: 0, upstreamCalls: 0 };

/** Waits until nothing is under way; the counters then, or as they still are after `timeoutMs`. */
export async function settled({ app }: Pick<Program, 'app'>, timeoutMs = 15_000): Promise<App['inflight']> {
  const deadline = Date.now() + timeoutMs;
  while (Object.values(app.inflight).some((count) => count !== 0) && Date.now() < deadline) await sleep(2);
  return { ...app.inflight };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The connection broke before the answer was complete. */
  readonly isCut: boolean;
}

export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request over a connection of its own. Rejects when there is no head. */
export function ask(port: number, { method, path, headers, body }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method: method ?? 'POST',
      path: path ?? '/v1/chat/completions',
      headers: { 'content-type': 'application/json', ...headers },
      agent: false,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => void parts.push(part));
      response.on('error', () => undefined);
      response.on('close', () => {
        const { statusCode: status = 0, headers, complete } = response;
        resolve({ status, headers, text: Buffer.concat(parts).toString(), isCut: !complete });
      });
    });
    request.end(body);
  });
}

export interface ChatOptions {
  readonly stream?: boolean;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export function askChat(port: number, options: ChatOptions = {}): Promise<Answer> {
  return ask(port, { headers: chatHeaders(options), body: chatBody(options) });
}

export function chatBody({ stream = false, fields = {} }: ChatOptions = {}): string {
  return JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], stream, ...fields });
}

function chatHeaders({ token, headers }: ChatOptions): Record<string, string> {
  return { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
}

/** The bytes of a chat request, for clients that hold their socket themselves. */
export function chatBytes(options: ChatOptions = { stream: true }): string {
  const body = chatBody(options);
  const headers = Object.entries({
    host: 'x',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...chatHeaders(options),
  });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n${body}`;
}

/** The payloads of a stream's data frames. */
export function dataOf(text: string): string[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '');
}

export interface ToldError {
  readonly error?: { readonly code: string; readonly message: string };
}

/** The error that an answer carries, in its body or in its stream's last frame. */
export function errorOf({ text, headers }: Answer): ToldError['error'] | undefined {
  const json = headers['content-type']?.includes('event-stream') ? dataOf(text).at(-1) : text;
  try {
    return (JSON.parse(json ?? '') as ToldError).error;
  } catch {
    return undefined;
  }
}
