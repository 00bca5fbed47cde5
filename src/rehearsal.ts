import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Store } from './accounts/store.ts';
import { createApp } from './app.ts';
import type { AppProps } from './app.ts';
import type { Config } from './config.ts';
import { createLog } from './log.ts';
import { createStage } from './rehearsal-stage.ts';
import type { Stage } from './rehearsal-stage.ts';
import type { ProofPool } from './threads/pool.ts';
import type { RehearsalOptions } from './warm-up.ts';

const TIMEOUT_MS = 2_000;
/** Processor time of the first real chat after 3, 10, 20 and 60 of them: 15, 11, 10 and 10 ms; a warm one takes 3. */
const CHATS = 10;
const MESSAGES = [{ role: 'user', content: 'Is anybody there?' }];

/**
 * Some chats before somebody waits for one, through an app of our own that has a backend of our own, both
 * on loopback: what a first chat pays once (functions and parsers are compiled) is paid by then. Nothing
 * of it shows: that app has no account, no key, no disk, no thread and no way out but to the stage, and
 * what it logs and counts goes nowhere. Where loopback cannot be listened on, there is no rehearsal.
 * Never rejects.
 */
export async function rehearse(
  config: Config,
  options: RehearsalOptions,
  stage: Stage = createStage(),
): Promise<void> {
  try {
    await rehearseOn(await stage.open(), config, options);
  } catch {
    // The first chat will take longer.
  } finally {
    stage.close();
  }
}

async function rehearseOn(
  origin: string,
  config: Config,
  { stream, pause }: RehearsalOptions,
): Promise<void> {
  const log = createLog({ level: config.logLevel, format: 'json', stream: { write: () => {} } });
  const app = createApp(toRehearsed(config, origin), log, { props: createProps() });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const { port } = await app.listen();
    for (let chat = 0; chat < CHATS; chat += 1) {
      await pause();
      await holdChat(port, agent, stream);
    }
  } finally {
    agent.destroy();
    await app.close();
  }
}

/** The settings in force, without all that leads elsewhere. */
function toRehearsed(config: Config, origin: string): Config {
  return {
    ...config,
    host: '127.0.0.1',
    port: 0,
    apiPrefix: '',
    chatgptBaseUrls: [origin],
    proxyUrls: [],
    arkoseTokenUrls: [],
    authKey: null,
    authorization: [],
    keysFile: null,
    adminKey: null,
    enableGateway: false,
    checkModel: false,
    scheduledRefresh: false,
    presolve: 0,
    retryTimes: 0,
    connectTimeoutMs: TIMEOUT_MS,
    firstTokenTimeoutMs: TIMEOUT_MS,
    drainTimeoutMs: 0,
  };
}

function createProps(): AppProps {
  const nothing = async (): Promise<void> => {};
  const store: Store = {
    accounts: () => [],
    keys: () => [],
    save: nothing,
    remove: nothing,
    saveKey: nothing,
    removeKey: nothing,
    note: () => {},
    importedHash: () => null,
    saveImported: nothing,
    flush: nothing,
    close: nothing,
  };
  const proofs: ProofPool = {
    // The stage asks for no proof: the threads have exercises of their own.
    solve: () => Promise.reject(new Error('nobody asked')),
    close: nothing,
    destroy: nothing,
    queued: 0,
    running: 0,
    threadIds: [],
    stats: { solved: 0, failed: 0, tries: 0, busyMs: 0, waitedMs: 0, lostSlices: 0 },
    backlogMs: 0,
  };
  return { store, proofs };
}

async function holdChat(port: number, agent: Agent, stream: boolean): Promise<void> {
  const asked = request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/v1/chat/completions' });
  asked.end(JSON.stringify({ model: 'gpt-4o', stream, messages: MESSAGES }));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  await once(answer.resume(), 'end');
  if (answer.statusCode !== 200) throw new Error('there was no answer');
}
