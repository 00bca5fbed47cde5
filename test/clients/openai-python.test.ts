import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import t from 'tap';
import { startWorld } from '../helpers/world.ts';

const run = promisify(execFile);

const SCRIPTS = resolve('test/clients/python');
const INSTALL_MS = 5 * 60_000;

/** Installing comes on top of what tap allows a file. */
t.setTimeout(2 * INSTALL_MS);

/**
 * The interpreter of a virtual environment with the SDK in it. It is made once for each version of
 * Python and each list of requirements, and found again by later runs.
 */
async function installSdk(): Promise<string> {
  const requirements = join(SCRIPTS, 'requirements.txt');
  const { stdout: version } = await run('python3', ['-VV']);
  const key = createHash('sha256')
    .update(version)
    .update(await readFile(requirements));
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(cache, 'chat2api', `openai-python-${key.digest('hex').slice(0, 16)}`);
  const python = join(folder, 'bin', 'python');
  const ready = join(folder, 'ready');
  if (await exists(ready)) return python;
  // An installation that was broken off leaves no mark: it starts again from nothing.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run('python3', ['-m', 'venv', folder]);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  await run(python, install, { timeout: INSTALL_MS });
  await writeFile(ready, '');
  return python;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

interface Finding {
  readonly name: string;
  /** Null: it is as it should be. */
  readonly problem: string | null;
}

async function check(python: string, worlds: object): Promise<readonly Finding[]> {
  const child = spawn(python, [join(SCRIPTS, 'check.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NO_PROXY: '*', no_proxy: '*' },
  });
  child.stdin.end(JSON.stringify(worlds));
  const exited = new Promise<number | null>((done) => child.once('exit', done));
  const lines = (await text(child.stdout)).trim().split('\n');
  const code = await exited;
  if (code !== 0) throw new Error(`check.py ended with exit code ${code}`);
  return lines.map((line) => JSON.parse(line) as Finding);
}

/** What pip says of a failure quotes addresses of the index, which is nobody's business but the machine's. */
function reasonOf(thrown: unknown): string {
  const lines = (thrown instanceof Error ? thrown.message : String(thrown)).trim().split('\n');
  return (lines.at(-1) ?? '').replace(/\w+:\/\/\S+/g, '...').slice(0, 200);
}

const sdk = await installSdk().then(
  (python) => ({ python, skip: false as const }),
  (thrown: unknown) => ({ python: '', skip: `no Python SDK to test with: ${reasonOf(thrown)}` }),
);

t.test("OpenAI's own Python SDK", { skip: sdk.skip }, async (t) => {
  const [open, keyed, tight] = await Promise.all([
    startWorld(t),
    startWorld(t, { env: { AUTHORIZATION: 'sk-first' } }),
    startWorld(t, { env: { MAX_INFLIGHT: '1', MAX_QUEUE: '0', FIRST_TOKEN_TIMEOUT_MS: '300' } }),
  ]);
  const addressesOf = ({ url, upstream }: typeof open) => ({ url, upstream });
  const findings = await check(sdk.python, {
    open: addressesOf(open),
    keyed: addressesOf(keyed),
    tight: addressesOf(tight),
  });
  t.ok(findings.length > 0);
  for (const { name, problem } of findings) t.equal(problem, null, name);
});
