import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import type { App, AppSeams } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Env } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import type { AccountRecord } from '../../src/sandbox/accounts/account-ledger.ts';
import type { RequestRecord } from '../../src/sandbox/recorder.ts';
import type { Scenario } from '../../src/sandbox/scenario.ts';
import './bare-threads.ts';
import { newDataDir } from './data-dir.ts';
import { createSandbox } from '../../src/sandbox/server.ts';

export interface WorldOptions {
  /** What the sandbox does when no scenario is set, beside answering at once with easy proofs. */
  readonly scenario?: Partial<Scenario>;
  /** Settings of the program beside its addresses. */
  readonly env?: Env;
  readonly seams?: AppSeams;
  /** How many requests the sandbox remembers. */
  readonly maxRecords?: number;
}

/** The whole program in front of the sandbox, both on ports of their own. */
export interface World {
  readonly app: App;
  readonly port: number;
  /** The program's address, without `/v1`. */
  readonly url: string;
  /** The sandbox's address. */
  readonly upstream: string;
  /** Replaces what the sandbox does; a list is used up in order. */
  scenario(scenario: Partial<Scenario> | readonly Partial<Scenario>[]): Promise<void>;
  /** Forgets scenarios and records. */
  reset(): Promise<void>;
  /** What the sandbox received, oldest first. */
  requests(): Promise<readonly RequestRecord[]>;
  /** Those of them that asked for an answer. */
  conversations(): Promise<readonly RequestRecord[]>;
  state(): Promise<SandboxState>;
  /** What each account was used for, by the sandbox's own count. */
  accounts(): Promise<SandboxAccounts>;
  /** Lines of the program's log so far. */
  readonly logLines: readonly string[];
}

interface SandboxState {
  readonly openStreams: number;
  readonly counts: { readonly received: number; readonly open: number };
}

interface SandboxAccounts {
  readonly accounts: readonly AccountRecord[];
  readonly exchanges: { readonly granted: number; readonly refused: number };
}

/** An access token as the real site issues them; the sandbox takes it for a paying account's. */
export const ACCESS_TOKEN = 'eyJhbGciOi.sandbox-paid.x';

/** Nothing is tried twice unless `env` says so: a test counts what upstream was asked. */
export async function startWorld(t: Test, options: WorldOptions = {}): Promise<World> {
  const { scenario, env, seams, maxRecords = 1_000 } = options;
  const defaults = { eventDelayMs: 0, difficulty: '0fffff', ...scenario };
  const sandbox = createSandbox({ host: '127.0.0.1', port: 0, defaults, maxRecords });
  const upstream = `http://127.0.0.1:${(await sandbox.listen()).port}`;
  t.teardown(() => sandbox.close());
  const config = parseConfig({
    RETRY_TIMES: '0',
    DRAIN_TIMEOUT_MS: '100',
    OAUTH_TOKEN_URL: `${upstream}/oauth/token`,
    ...env,
    HOST: '127.0.0.1',
    PORT: '0',
    CHATGPT_BASE_URL: upstream,
    DATA_DIR: env?.['DATA_DIR'] ?? newDataDir(t),
  });
  const logLines: string[] = [];
  const stream = { write: (line: string) => logLines.push(line) };
  const app = createApp(config, createLog({ level: config.logLevel, format: 'json', stream }), seams);
  t.teardown(() => app.close());
  const { port } = await app.listen();
  return { app, port, url: `http://127.0.0.1:${port}`, upstream, logLines, ...createControls(upstream) };
}

type Controls = Pick<World, 'scenario' | 'reset' | 'requests' | 'conversations' | 'state' | 'accounts'>;

function createControls(upstream: string): Controls {
  const ask = async (path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(
      `${upstream}/__sandbox/${path}`,
      body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    );
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  };
  const requests = async (): Promise<readonly RequestRecord[]> =>
    ((await ask('requests')) as { requests: RequestRecord[] }).requests;
  return {
    scenario: async (scenario) => void (await ask('scenario', scenario)),
    reset: async () => void (await ask('reset', {})),
    requests,
    conversations: async () => (await requests()).filter(({ path }) => path.endsWith('/conversation')),
    state: async () => (await ask('state')) as SandboxState,
    accounts: async () => (await ask('accounts')) as SandboxAccounts,
  };
}

/** Polls until `check` is true; gives up after `timeoutMs`, leaving the assertion to say what is missing. */
export async function eventually(check: () => Promise<boolean>, timeoutMs = 15_000): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await check()) return true;
    if (Date.now() > deadline) return false;
    await sleep(10);
  }
}
