import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeAccount, parseAccountLines, toAccessToken } from './import.ts';
import type { OfferedAccount } from './import.ts';
import { isRecord } from './loose-json.ts';
import type { AccessToken, AccountRecord } from './records.ts';
import type { Store } from './store.ts';
import { failureCode } from './store-error.ts';

export interface ImportOriginalOptions {
  readonly dataDir: string;
  readonly store: Store;
  readonly nowMs: () => number;
  /** What was taken over and what was not, in words and without secrets. */
  readonly onNotice: (message: string) => void;
}

const TOKENS = 'token.txt';
const FAILED_TOKENS = 'error_token.txt';
const EXCHANGED_TOKENS = 'refresh_map.json';
const FAILED = 'marked as failing by the original program';

/**
 * Takes over the accounts of the original program, whose DATA_DIR this was: `token.txt`, those that it
 * found failing, and access tokens that it exchanged refresh tokens for. What was taken over once is not
 * taken again until the files change, so that a removed account stays away. Rejects with a StoreError.
 */
export async function importOriginal(options: ImportOriginalOptions): Promise<void> {
  const { dataDir, store, onNotice } = options;
  const [tokens = '', failed = '', exchanged = ''] = [TOKENS, FAILED_TOKENS, EXCHANGED_TOKENS].map((name) =>
    readOriginal(dataDir, name, onNotice),
  );
  const hash = createHash('sha256')
    .update(JSON.stringify([tokens, failed]))
    .digest('hex');
  if (tokens.trim() + failed.trim() === '' || store.importedHash(TOKENS) === hash) return;
  const records = takeOver(options, tokens, failed, readExchanged(exchanged));
  await store.save(records);
  await store.saveImported(TOKENS, hash);
  onNotice(
    `${records.length} accounts were taken over from ${TOKENS} and ${FAILED_TOKENS} in ${dataDir}. The program ` +
      'does not need these files any more; they hold tokens as plain text.',
  );
}

/** The file's text; empty when there is none, or none that can be read. */
function readOriginal(dataDir: string, name: string, onNotice: (message: string) => void): string {
  try {
    return readFileSync(join(dataDir, name), 'utf8');
  } catch (thrown) {
    const code = failureCode(thrown);
    if (code !== 'ENOENT') onNotice(`${name} in ${dataDir} cannot be read (${code}); it was left out.`);
    return '';
  }
}

function takeOver(
  { store, nowMs, onNotice }: ImportOriginalOptions,
  tokens: string,
  failed: string,
  exchanged: ReadonlyMap<string, AccessToken>,
): AccountRecord[] {
  const known = new Map(store.accounts().map((record) => [record.id, record]));
  const records = new Map<string, AccountRecord>();
  const take = (account: OfferedAccount, hasFailed: boolean): void => {
    const access = account.access ?? exchanged.get(account.credential.token) ?? null;
    const { outcome, record } = mergeAccount(known.get(account.id), { ...account, access }, nowMs());
    if (outcome === 'known') return;
    const standing = { kind: 'quarantined', reason: FAILED, sinceMs: nowMs() } as const;
    records.set(record.id, hasFailed ? { ...record, standing } : record);
  };
  for (const account of accountsIn(TOKENS, tokens, onNotice)) take(account, false);
  for (const account of accountsIn(FAILED_TOKENS, failed, onNotice)) take(account, true);
  return [...records.values()];
}

function accountsIn(name: string, text: string, onNotice: (message: string) => void): OfferedAccount[] {
  const accounts: OfferedAccount[] = [];
  for (const parsed of parseAccountLines(text)) {
    if (parsed.kind === 'account') accounts.push(parsed.account);
    if (parsed.kind === 'rejected') onNotice(`${name}, line ${parsed.line}: left out. ${parsed.why}`);
  }
  return accounts;
}

/** By refresh token. */
function readExchanged(text: string): Map<string, AccessToken> {
  const exchanged = new Map<string, AccessToken>();
  const json = parseJson(text);
  for (const [refreshToken, entry] of Object.entries(isRecord(json) ? json : {})) {
    const token = isRecord(entry) ? entry['token'] : null;
    if (typeof token === 'string' && token !== '') exchanged.set(refreshToken, toAccessToken(token));
  }
  return exchanged;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
