import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM, and where it lies. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

/** Somebody who says who is who, for the time of a test. */
export interface Authority {
  readonly ca: readonly string[];
  /** A server's certificate; `names` as in `DNS:a.test,IP:127.0.0.1`. Ended after `days`, if negative. */
  issue(names: string, days?: number): KeyPair;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** What tidies up at its end: a test, or whatever else. */
export interface Scope {
  teardown(tidy: () => unknown): void;
}

/** Takes the program `openssl`. */
export function createAuthority(scope: Scope): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'chat2api-certificates-'));
  scope.teardown(() => rmSync(folder, { recursive: true }));
  const openssl = (...args: string[]): unknown =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test authority');
  let count = 0;
  return {
    ca: [readFileSync(join(folder, 'ca.crt'), 'utf8')],
    issue(names, days = 1) {
      count += 1;
      const [key, request, cert] = [`${count}.key`, `${count}.csr`, `${count}.crt`];
      const subject = ['-subj', '/CN=test server', '-addext', `subjectAltName=${names}`];
      openssl('req', ...KEY, '-keyout', key, '-out', request, ...subject);
      const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy'];
      openssl('x509', '-req', '-in', request, '-out', cert, '-days', String(days), ...signing);
      const [keyFile, certFile] = [join(folder, key), join(folder, cert)];
      return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8'), keyFile, certFile };
    },
  };
}
