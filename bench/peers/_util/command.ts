import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

const TIMEOUT_MS = 15 * 60_000;
const MAX_OUTPUT_BYTES = 64 << 20;
const LAST_LINES = 3;

/** The output of a command that came to a good end; rejects with the last lines of what it complained of. */
export async function command(file: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(file, args, { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES });
    return stdout;
  } catch (thrown) {
    const { stderr = '', message } = thrown as Error & { stderr?: string };
    throw new Error(`${file} ${args[0]} failed: ${lastLines(stderr) || message}`, { cause: thrown });
  }
}

export function lastLines(text: string): string {
  return text.trim().split('\n').slice(-LAST_LINES).join('\n');
}
