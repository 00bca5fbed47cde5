import { createHash } from 'node:crypto';

/** The whole SHA-256 of a client's key, hexadecimal: enough to know the key again, not to make it. */
export function keyDigest(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Short enough for a log line, long enough for no two keys to share it. */
export function keyIdOf(key: string): string {
  return keyDigest(key).slice(0, 12);
}
