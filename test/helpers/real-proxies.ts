import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyPair, Scope } from './certificates.ts';

export const USER = 'proxy-user';

/** What Debian's packages of these names bring. */
export type ProxyProgram = 'tinyproxy' | 'squid' | 'danted' | 'microsocks';

/** USER's. */
export function passwordOf(program: ProxyProgram): string {
  return program === 'tinyproxy' ? 'tinyproxy-takes-no-signs-canary' : 'canary%1:2 /@ü';
}

export interface ProxyWishes {
  /** Only USER with the program's password gets through. */
  readonly login?: boolean;
  /** TLS on the way to the proxy itself. */
  readonly tls?: KeyPair;
}

/** Null: not installed here, or not to be started by us. */
export function whyNot(program: ProxyProgram | 'openssl' | 'nginx' | 'caddy'): string | null {
  if (pathOf(program) === null) return `${program} is not installed`;
  // It changes users for what it does, whatever its settings say.
  if (program === 'danted' && process.getuid?.() !== 0) return 'danted wants to be started by root';
  return null;
}

function pathOf(program: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, program)).find(isRunnable) ?? null;
}

function isRunnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts a proxy server that lets its callers go to this machine, and ends it with the test; its port. */
export function startProxy(scope: Scope, program: ProxyProgram, wishes: ProxyWishes = {}): Promise<number> {
  return startServer(scope, program, (folder, port) => ARGUMENTS[program](folder, port, wishes));
}

/** Starts a server that stays in the foreground with these arguments, and ends it with the test; its port. */
export async function startServer(
  scope: Scope,
  program: string,
  toArguments: (folder: string, port: number) => string[],
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), `chat2api-${program}-`));
  // Some go on as another user, who must be able to read their settings.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const child = spawn(pathOf(program) ?? program, toArguments(folder, port), {
    cwd: folder,
    env: { ...process.env, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = once(child, 'exit');
  scope.teardown(async () => {
    child.kill('SIGTERM');
    const killing = setTimeout(() => child.kill('SIGKILL'), 1_000);
    await exited;
    clearTimeout(killing);
    rmSync(folder, { recursive: true });
  });
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) break;
    if (await listens(port)) return port;
    await sleep(50);
  }
  throw new Error(`${program} does not listen: ${said}`);
}

/** What makes each program listen at `port` of 127.0.0.1 in the foreground. */
const ARGUMENTS: Readonly<
  Record<ProxyProgram, (folder: string, port: number, wishes: ProxyWishes) => string[]>
> = {
  tinyproxy(folder, port, { login = false }) {
    const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Allow 127.0.0.1', 'MaxClients 100', 'Timeout 60'];
    if (login) lines.push(`BasicAuth ${USER} ${passwordOf('tinyproxy')}`);
    return ['-d', '-c', write(folder, 'tinyproxy.conf', lines)];
  },
  squid(folder, port, { login = false, tls }) {
    const lines = [
      tls === undefined
        ? `http_port 127.0.0.1:${port}`
        : `https_port 127.0.0.1:${port} tls-cert=${write(folder, 'both.pem', [tls.cert, tls.key])}`,
      ...(login ? squidLogin(folder) : ['http_access allow all']),
      'http_access deny all',
      'cache deny all',
      'access_log none',
      'cache_log /dev/null',
      'pid_filename none',
      `coredump_dir ${folder}`,
      'shutdown_lifetime 0 seconds',
    ];
    return ['-N', '-f', write(folder, 'squid.conf', lines)];
  },
  danted(folder, port) {
    return [
      '-f',
      write(folder, 'danted.conf', [
        'logoutput: stderr',
        `internal: 127.0.0.1 port = ${port}`,
        'external: lo',
        'clientmethod: none',
        'socksmethod: none',
        'user.privileged: root',
        'user.unprivileged: nobody',
        'client pass { from: 127.0.0.1/32 to: 0.0.0.0/0 }',
        'socks pass { from: 127.0.0.1/32 to: 0.0.0.0/0 command: connect }',
      ]),
    ];
  },
  microsocks(_folder, port, { login = false }) {
    const credentials = login ? ['-u', USER, '-P', passwordOf('microsocks')] : [];
    return ['-i', '127.0.0.1', '-p', String(port), ...credentials];
  },
};

function squidLogin(folder: string): string[] {
  const hash = execFileSync('openssl', ['passwd', '-apr1', passwordOf('squid')], { encoding: 'utf8' }).trim();
  const users = write(folder, 'users', [`${USER}:${hash}`]);
  return [
    `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${users}`,
    'auth_param basic children 2',
    'acl known proxy_auth REQUIRED',
    'http_access allow known',
  ];
}

export function write(folder: string, name: string, lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o644 });
  return file;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}
