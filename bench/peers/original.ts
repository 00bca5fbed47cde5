import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './_util/command.ts';
import { startGateway } from './_util/gateway.ts';
import { cachedFolder } from './_util/cached-folder.ts';
import { OPENAI_ASK } from './_util/openai-ask.ts';
import { pythonEnv } from './_util/python-env.ts';
import { vocabularies } from './_util/vocabularies.ts';
import type { Peer } from './peer.ts';

const VERSION = '1.3.6';
const COMMIT = '4c0b22429e5f6267233a41eee34a95ed65dd46f2';

/**
 * Its requirements, which name no versions, and two things that FastAPI brought along when that version was
 * made and no longer does: without the one it does not start, with the other (uvloop, httptools) it is faster.
 */
const PACKAGES = [
  'fastapi==0.165.0',
  'curl_cffi==0.16.3',
  'uvicorn[standard]==0.54.0',
  'tiktoken==0.14.0',
  'python-dotenv==1.2.4',
  'websockets==17.4',
  'pillow==13.0.0',
  'pybase64==1.5.1',
  'jinja2==3.1.6',
  'APScheduler==3.11.3',
  'python-multipart==0.0.34',
];

/** The Python program that this project takes after. Knows nothing of v1: asks for the older encoding. */
export const original: Peer = {
  name: `the original ${VERSION}`,
  upstream: 'backend',
  ask: OPENAI_ASK,
  async start(upstreamOrigin, core) {
    const program = await checkOut();
    const python = await pythonEnv('original-packages', PACKAGES);
    const cache = await vocabularies();
    return startGateway(core, (port) => ({
      cwd: program,
      // Its own app.py does the same with a port that cannot be chosen.
      command: [python, '-m', 'uvicorn', 'chat2api:app', '--host', '127.0.0.1', '--port', String(port)],
      env: { CHATGPT_BASE_URL: upstreamOrigin, TIKTOKEN_CACHE_DIR: cache },
    }));
  },
};

async function checkOut(): Promise<string> {
  const repository = process.env['BENCH_ORIGINAL_REPO'];
  if (!repository) throw new Error('BENCH_ORIGINAL_REPO names no git directory or checkout of the original');
  const inside = join(repository, '.git');
  const gitDir = existsSync(inside) ? inside : repository;
  return cachedFolder('original', [COMMIT], async (folder) => {
    const archive = join(folder, 'archive.tar');
    await command('git', [`--git-dir=${gitDir}`, 'archive', `--output=${archive}`, COMMIT]);
    await command('tar', ['-x', '-f', archive, '-C', folder]);
    await rm(archive);
  });
}
