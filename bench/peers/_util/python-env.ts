import { join } from 'node:path';
import { command } from './command.ts';
import { cachedFolder } from './cached-folder.ts';

/** The interpreter of a virtual environment that has the packages, made once per version of Python. */
export async function pythonEnv(name: string, packages: readonly string[]): Promise<string> {
  const version = await command('python3', ['--version']);
  const folder = await cachedFolder(name, [version, ...packages], async (env) => {
    await command('python3', ['-m', 'venv', env]);
    await command(interpreter(env), ['-m', 'pip', 'install', '--quiet', ...packages]);
  });
  return interpreter(folder);
}

function interpreter(env: string): string {
  return join(env, 'bin', 'python');
}
