import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Answer, Question } from './protocol.ts';

/** A process of a load bench. */
export interface Child {
  readonly port: number;
  readonly pid: number;
  ask(question: Question): Promise<Answer>;
  stop(): void;
}

/** What a process runs on. */
export interface Host {
  /** Null, unless told otherwise: any. */
  readonly core?: number | null;
  /** Path of the Node.js; that of the bench, unless told otherwise. */
  readonly node?: string;
}

const PROBE = new URL('./probe.js', import.meta.url).href;
const START_TIMEOUT_MS = 10_000;

/**
 * Starts a program, given relative to this file, whose output has a line of JSON with its `port`. It sees
 * no settings but `env`: neither ours nor those of a `.env`.
 */
export async function startChild(
  program: string,
  env: NodeJS.ProcessEnv,
  { core = null, node = process.execPath }: Host = {},
): Promise<Child> {
  const cwd = mkdtempSync(join(tmpdir(), 'chat2api-bench-'));
  const call = [node, '--import', PROBE, fileURLToPath(new URL(program, import.meta.url))];
  const [command = '', ...args] = core === null ? call : ['taskset', '-c', String(core), ...call];
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 2, 'ipc'],
  });
  const stop = (): void => {
    child.kill('SIGKILL');
    rmSync(cwd, { recursive: true, force: true });
  };
  try {
    const port = await announcedPort(child.stdout as Readable);
    return { port, pid: child.pid ?? 0, stop, ask: (question) => ask(child, question) };
  } catch (thrown) {
    stop();
    throw new Error(`${program} did not start`, { cause: thrown });
  }
}

/** Further output is read and forgotten, so that a full pipe slows nobody. */
async function announcedPort(stdout: Readable): Promise<number> {
  const lines = createInterface(stdout);
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  for (;;) {
    const [line] = (await once(lines, 'line', { signal })) as [string];
    const { port } = JSON.parse(line) as { port?: number };
    if (port === undefined) continue;
    lines.close();
    stdout.resume();
    return port;
  }
}

async function ask(child: ChildProcess, question: Question): Promise<Answer> {
  child.send(question);
  const [answer] = (await once(child, 'message')) as [Answer];
  return answer;
}
