import { execFileSync } from 'node:child_process';

const path = process.env['BENCH_NODE'] || process.execPath;

/**
 * The Node.js that programs under load run on, ours and others; benches, upstreams and clients keep to their
 * own. A `BENCH_NODE` that does not run ends a bench before it begins.
 */
export const nodeUnderLoad: { readonly path: string; readonly version: string } = {
  path,
  version:
    path === process.execPath
      ? process.version
      : execFileSync(path, ['--version'], { encoding: 'utf8' }).trim(),
};
