import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningPeer } from '../peer.ts';
import { lastLines } from './command.ts';
import { processTree } from './process-tree.ts';

/** How a gateway is started. */
export interface Launch {
  readonly command: readonly string[];
  /** All that it sees of the environment beside PATH and a HOME of its own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; its scratch folder if not told. */
  readonly cwd?: string;
}

/** Programs of thousands of Python modules take half a minute on a slow disk. */
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const ENDING_WITH_US = ['setpriv', '--pdeathsig', 'TERM'];

/**
 * Starts a gateway and waits until its port takes connections; rejects with the end of its output if it
 * does not come to that. It runs until `stop`, or until this process ends. `plan` is told a free port and a
 * folder that is removed at the end.
 */
export async function startGateway(
  core: number | null,
  plan: (port: number, scratch: string) => Launch,
): Promise<RunningPeer> {
  const port = await freePort();
  const scratch = mkdtempSync(join(tmpdir(), 'chat2api-bench-peer-'));
  const output = join(scratch, 'output.log');
  const child = launch(plan(port, scratch), core, scratch, output);
  const stop = async (): Promise<void> => {
    await endGroup(child);
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    await untilListening(child, port);
    return { port, stop, pids: () => (child.pid === undefined ? [] : processTree(child.pid)) };
  } catch (thrown) {
    const said = lastLines(readFileSync(output, 'utf8'));
    await stop();
    throw new Error(`${(thrown as Error).message}${said === '' ? '' : `: ${said}`}`, { cause: thrown });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** In a process group of its own, so that nothing of it is left behind. */
function launch(
  { command, env, cwd }: Launch,
  core: number | null,
  scratch: string,
  log: string,
): ChildProcess {
  const output = openSync(log, 'w');
  const pinning = core === null ? [] : ['taskset', '--cpu-list', String(core)];
  const [file = '', ...args] = [...ENDING_WITH_US, ...pinning, ...command];
  const child = spawn(file, args, {
    detached: true,
    cwd: cwd ?? scratch,
    env: { PATH: process.env['PATH'], HOME: scratch, ...env },
    stdio: ['ignore', output, output],
  });
  // Told by its having no process id.
  child.on('error', () => {});
  closeSync(output);
  return child;
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  if (child.pid === undefined) throw new Error('there is no setpriv: apt-get install util-linux');
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await takesConnections(port))) {
    if (hasEnded(child)) throw new Error('it ended before it listened');
    if (performance.now() > deadline)
      throw new Error(`it did not listen within ${START_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const exited = hasEnded(child) ? null : once(child, 'exit');
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of the group have ended already.
  }
  await exited;
}

function hasEnded({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}
