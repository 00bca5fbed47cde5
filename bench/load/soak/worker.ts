import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** A process of the bench, or the server under it, that answers questions of type `Question`. */
export interface Worker<
  Question extends { readonly type: string },
  Answer extends { readonly type: string },
> {
  readonly port: number;
  ask<Type extends Answer['type'] & Question['type']>(
    question: Extract<Question, { readonly type: Type }>,
  ): Promise<Extract<Answer, { readonly type: Type }>>;
  residentBytes(): number;
  stop(): void;
}

export interface WorkerOptions {
  /** Relative to this file. Its output has a line of JSON with its `port`. */
  readonly program: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly execArgv?: readonly string[];
  /** Path of the Node.js; that of the bench, unless told otherwise. */
  readonly node?: string;
}

const START_TIMEOUT_MS = 20_000;

/** It sees no settings but `env`, neither ours nor those of a `.env`. */
export async function startWorker<
  Question extends { readonly type: string },
  Answer extends { readonly type: string },
>({
  program,
  env = {},
  execArgv = [],
  node = process.execPath,
}: WorkerOptions): Promise<Worker<Question, Answer>> {
  const cwd = mkdtempSync(join(tmpdir(), 'chat2api-soak-'));
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [], {
    cwd,
    env,
    execArgv: [...execArgv],
    execPath: node,
    stdio: ['ignore', 'pipe', 2, 'ipc'],
  });
  const stop = (): void => {
    child.kill('SIGKILL');
    rmSync(cwd, { recursive: true, force: true });
  };
  try {
    return { ...dialogue(child), port: await announcedPort(child.stdout as Readable), stop };
  } catch (thrown) {
    stop();
    throw new Error(`${program} did not start`, { cause: thrown });
  }
}

function dialogue<Question extends { readonly type: string }, Answer extends { readonly type: string }>(
  child: ChildProcess,
): Pick<Worker<Question, Answer>, 'ask' | 'residentBytes'> {
  return {
    async ask<Type extends Answer['type'] & Question['type']>(
      question: Extract<Question, { readonly type: Type }>,
    ) {
      child.send(question);
      for (;;) {
        const [answer] = (await once(child, 'message')) as [Extract<Answer, { readonly type: Type }>];
        if (answer.type === question.type) return answer;
      }
    },
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
  };
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
