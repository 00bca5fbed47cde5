import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

const PLACE = isWritable('/dev/shm') ? '/dev/shm' : tmpdir();

/** A DATA_DIR of its own, gone with the test; in memory where that can be had: a disk makes every start wait. */
export function newDataDir(t: Test): string {
  const dir = mkdtempSync(join(PLACE, 'chat2api-data-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function isWritable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
