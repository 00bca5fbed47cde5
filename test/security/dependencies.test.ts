import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

/** One package as the lock file has it. */
interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly name?: string;
  readonly license?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
}

const EXACT = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** Run by npm when a package is installed. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

/** Asks nothing of who passes the program on but to name the authors. */
const LICENSES = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'CC0-1.0']);

/** Beside those, of what is only needed to develop. */
const DEV_LICENSES = new Set([...LICENSES, 'BlueOak-1.0.0', 'CC-BY-3.0', 'WTFPL']);

const read = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const manifest = read<Manifest>('package.json');
const lock = read<{ lockfileVersion: number; packages: Record<string, Locked> }>('package-lock.json');
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

t.test('every version is pinned', (t) => {
  const pins = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides };
  const loose = Object.entries(pins).filter(([, version]) => !EXACT.test(version));
  t.same(loose, []);
  t.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
  t.end();
});

t.test('the lock file names what it means by its digest, and no server but the public registry', (t) => {
  const vague = locked.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''));
  t.same(vague, []);
  const elsewhere = locked.filter(
    ([, { resolved, link }]) =>
      link === true || (resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/')),
  );
  t.same(elsewhere, []);
  t.end();
});

t.test('no package runs anything when it is installed', (t) => {
  t.same(
    locked.filter(([, { hasInstallScript }]) => hasInstallScript === true),
    [],
  );
  const scripts = installed('node_modules').flatMap(({ name = '', scripts = {} }) =>
    INSTALL_SCRIPTS.filter((script) => script in scripts).map((script) => `${name}: ${script}`),
  );
  t.same(scripts, []);
  t.end();
});

t.test('licences', (t) => {
  const shown = installed('node_modules').length;
  t.ok(shown > 100, `${shown} packages looked at`);
  const odd = locked.filter(([path, { license, dev }]) => {
    const allowed = dev === true ? DEV_LICENSES : LICENSES;
    return !choices(license ?? licenseFile(path)).some((one) => allowed.has(one));
  });
  t.same(
    odd.map(([path, { license }]) => `${path}: ${license}`),
    [],
  );
  t.end();
});

/** `(MIT OR CC0-1.0)`: either will do. */
function choices(license: string): string[] {
  return license.replace(/[()]/g, '').split(' OR ');
}

/** Of a package that says it in a text only. */
function licenseFile(path: string): string {
  const file = ['LICENSE', 'LICENSE.md', 'license'].map((name) => join(path, name)).find(existsSync);
  const text = file === undefined ? '' : readFileSync(file, 'utf8');
  return /Permission is hereby granted, free of charge/.test(text) ? 'MIT' : 'none';
}

/** The manifests of a folder of packages, and of the folders within them. */
function installed(folder: string): Manifest[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name.startsWith('@')) return installed(path);
    const file = join(path, 'package.json');
    return [...(existsSync(file) ? [read<Manifest>(file)] : []), ...installed(join(path, 'node_modules'))];
  });
}
