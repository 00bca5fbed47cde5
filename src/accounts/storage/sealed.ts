import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

/** Encryption at rest. What is sealed for one place opens in that place only. */
export interface Seal {
  seal(text: string, place: string): string;
  /** Null: sealed with another key, or for another place. */
  open(sealed: string, place: string): string | null;
}

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Some 80 ms and 32 MiB, once per start: guessing keys shall cost as much each time. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 ** 2 };

/** `salt` is kept beside what is sealed; it is no secret. */
export function createSeal(dataKey: string, salt: string): Seal {
  const key = scryptSync(dataKey, salt, 32, COST);
  return {
    seal(text, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(place));
      const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(parts).toString('base64url');
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
      const tagAt = bytes.length - TAG_BYTES;
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(tagAt));
      try {
        const text = decipher.update(bytes.subarray(NONCE_BYTES, tagAt));
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch {
        return null;
      }
    },
  };
}
