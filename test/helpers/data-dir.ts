import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A DATA_DIR of its own, gone with the test. */
export function newDataDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'chat2api-data-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
