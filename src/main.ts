import { parseArgs } from 'node:util';
import { StoreError } from './accounts/store-error.ts';
import { createApp } from './app.ts';
import { ConfigError, parseConfig } from './config.ts';
import type { Config } from './config.ts';
import { readEnvFile } from './env-file.ts';
import { createLog } from './log.ts';
import type { Log } from './log.ts';
import { loadTracing } from './tracing/load-tracing.ts';

const USAGE = `chat2api: an OpenAI-compatible proxy for the ChatGPT web backend

  npm start                   serve against CHATGPT_BASE_URL
  npm run demo                sandbox and proxy together, one chat, then keep serving
  npm run demo -- --once      the same, and exit after the chat
  npm run sandbox             the stand-in backend alone, on SANDBOX_PORT

Settings come from the environment and from .env; the README lists them.
`;

const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;
const EXIT_CRASH = 70;

/** Something that runs until it is told to stop. */
interface Running {
  stop(): Promise<void>;
}

async function main(args: readonly string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      once: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [command = 'serve'] = positionals;
  if (values.help || positionals.length > 1) return usage(values.help ? 0 : EXIT_USAGE);
  switch (command) {
    case 'serve':
      return runUntilSignal(serve(settings()));
    case 'sandbox':
      return runUntilSignal(serveSandbox(settings()));
    case 'demo':
      return demo(values.once);
    default:
      return usage(EXIT_USAGE);
  }
}

function usage(exitCode: number): void {
  (exitCode === 0 ? process.stdout : process.stderr).write(USAGE);
  process.exitCode = exitCode;
}

function settings(): Config {
  return parseConfig(readEnvFile('.env', process.env));
}

async function serve(config: Config): Promise<Running> {
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  shareTelemetrySettings();
  const tracing = await loadTracing(process.env, (message) => log.warn(message));
  const app = createApp(config, log, {
    rehearse: async (options) => (await import('./rehearsal.ts')).rehearse(config, options),
    opensPage: true,
    ...(tracing !== null && { tracing }),
  });
  try {
    const { port } = await app.listen();
    log.info('listening', { host: config.host, port, version: app.nativeBuild, threads: config.powThreads });
    endOnCrash(log);
    // Somebody is waiting for this line, and would wait for its batch.
    await log.flush();
  } catch (thrown) {
    await app.close();
    await log.close();
    throw thrown;
  }
  return {
    async stop() {
      log.info('draining');
      await app.close();
      log.info('stopped');
      await log.close();
    },
  };
}

/** Node.js itself would print what was thrown with all that hangs on it: headers, URLs, tokens. */
function endOnCrash(log: Log): void {
  process.once('uncaughtException', (thrown) => {
    process.on('uncaughtException', () => undefined);
    log.error('crashed', thrown);
    void log.close().finally(() => process.exit(EXIT_CRASH));
  });
}

/** OpenTelemetry's packages read the process's own environment, and know nothing of `.env`. */
function shareTelemetrySettings(): void {
  for (const [name, value] of Object.entries(readEnvFile('.env', process.env))) {
    if (name.startsWith('OTEL_')) process.env[name] = value;
  }
}

/** Loaded only when asked for: the product does not contain its own upstream. */
async function serveSandbox(config: Config): Promise<Running> {
  const { createSandbox } = await import('./sandbox/server.ts');
  const sandbox = createSandbox({ host: config.host, port: config.sandboxPort });
  const { port } = await sandbox.listen();
  process.stdout.write(`sandbox listening on http://127.0.0.1:${port}\n`);
  process.send?.({ port });
  return { stop: () => sandbox.close() };
}

async function demo(once: boolean): Promise<void> {
  const { runDemo } = await import('./demo/demo.ts');
  await runUntilSignal(
    runDemo({
      env: process.env,
      program: process.argv[1] ?? '',
      once,
      print: (text) => process.stdout.write(text),
    }),
    once,
  );
}

/** The first SIGINT or SIGTERM stops in good order, a second one at once. */
async function runUntilSignal(starting: Promise<Running>, stopNow = false): Promise<void> {
  const running = await starting;
  if (!stopNow) await nextSignal();
  void nextSignal().then(() => process.exit(130));
  await running.stop();
  process.exit(0);
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  process.stderr.write(`${message}\n`);
  const isSettings = thrown instanceof ConfigError || thrown instanceof StoreError;
  process.exit(isSettings ? EXIT_CONFIG : 1);
}
