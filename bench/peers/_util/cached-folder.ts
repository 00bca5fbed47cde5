import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = process.env['BENCH_PEERS_DIR'] || join(homedir(), '.cache', 'chat2api-bench-peers');
const HASH_DIGITS = 8;

/**
 * A folder of the cache, filled the first time that it is asked for with just these contents. One that was
 * not filled to its end has no mark and is filled anew.
 */
export async function cachedFolder(
  name: string,
  contents: readonly string[],
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(contents.join('\n')).digest('hex');
  const folder = join(CACHE, `${name}-${hash.slice(0, HASH_DIGITS)}`);
  const mark = join(folder, '.installed');
  if (existsSync(mark)) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await fill(folder);
  await writeFile(mark, '');
  return folder;
}
