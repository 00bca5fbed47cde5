import { parseConfig } from './config.ts';
import { readEnvFile } from './env-file.ts';

/** How long the server may take to say that it lives. */
const TIMEOUT_MS = 3000;
/** Listening on every address includes this one. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

// A program of its own, for containers: exits 0 when the server that has the same settings is alive.
const { host, port, apiPrefix } = parseConfig(readEnvFile('.env', process.env));
const address = LOOPBACK[host] ?? (host.includes(':') ? `[${host}]` : host);
const alive = await fetch(`http://${address}:${port}${apiPrefix}/healthz`, {
  signal: AbortSignal.timeout(TIMEOUT_MS),
}).then(
  (response) => response.ok,
  () => false,
);
process.exitCode = alive ? 0 : 1;
