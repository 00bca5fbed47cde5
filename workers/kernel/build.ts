import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';
import { keccakSource } from './generate.ts';

/** Where `tsc` puts this file, from the project's root: the sources are not copied there. */
const SOURCES = fileURLToPath(new URL('../../../workers/kernel/assembly/', import.meta.url));
const TARGET = fileURLToPath(new URL('.', import.meta.url));

/** Compiles the kernel once with vectors and once without. */
async function build(name: string, simd: boolean): Promise<void> {
  const sources: Record<string, string> = {
    'search.ts': readFileSync(`${SOURCES}search.ts`, 'utf8'),
    'keccak.ts': keccakSource(simd),
  };
  const options = ['-O3', '--runtime', 'stub', '--noAssert', '--outFile', name];
  const { error } = await main(['search.ts', ...options, ...(simd ? ['--enable', 'simd'] : [])], {
    readFile: (file) => sources[file] ?? null,
    writeFile: (file, contents) => writeFileSync(TARGET + file, contents),
    listFiles: () => [],
    stderr: process.stderr,
  });
  if (error !== null) throw new Error(`${name} does not compile`, { cause: error });
}

mkdirSync(TARGET, { recursive: true });
await build('simd.wasm', true);
await build('scalar.wasm', false);
