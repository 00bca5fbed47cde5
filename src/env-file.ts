import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError, type Env } from './config.ts';

/**
 * The variables of a `.env` file under those of `env`. What `env` has wins unless it is empty, which
 * counts as not set. A missing file is an empty one; one that cannot be read throws ConfigError.
 */
export function readEnvFile(path: string, env: Env = {}): Env {
  const merged: Record<string, string | undefined> = { ...parseEnv(readText(path)) };
  for (const [name, value] of Object.entries(env)) {
    if (value?.trim()) merged[name] = value;
  }
  return merged;
}

function readText(path: string): string {
  try {
    // A file in another encoding would be read as other values than the ones its author sees.
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT') return '';
    const reason =
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8 text' : `cannot be read (${code})`;
    throw new ConfigError([`${path}: the file ${reason} (example: a line PORT=5005)`]);
  }
}
