import { createHash } from 'node:crypto';
import type { Credential } from '../conversation/turn.ts';
import { readJwt } from './jwt.ts';
import { isRecord } from './loose-json.ts';
import type { AccessToken, AccountRecord } from './records.ts';

/** An account as somebody hands it to us. */
export interface OfferedAccount {
  readonly id: string;
  readonly credential: Credential;
  /** An access token that came with a refresh token. */
  readonly access: AccessToken | null;
}

/** What became of one line that is neither empty nor a comment. `line` counts from 1; within a JSON array, entries. */
export type ParsedLine =
  | { readonly line: number; readonly kind: 'account'; readonly account: OfferedAccount }
  /** The account stands in another line, with the same token or one that lasts longer. */
  | { readonly line: number; readonly kind: 'repeated'; readonly id: string; readonly of: number }
  /** `why` never repeats what the line says. */
  | { readonly line: number; readonly kind: 'rejected'; readonly why: string };

interface Entry {
  readonly line: number;
  readonly value: unknown;
}

const ACCESS_TOKEN = /^(?:eyJhbGciOi|fk-)[\x21-\x7e]+$/;
const REFRESH_TOKEN = /^[A-Za-z0-9_-]{45}$/;
/** Where the field's name says what it is, other issuers' forms do too. */
const NAMED_REFRESH_TOKEN = /^[\w.~+/=-]{20,}$/;
const WORKSPACE = /^[\x21-\x2b\x2d-\x7e]{1,128}$/;
const MAX_TOKEN_CHARS = 4_096;

const NO_TOKEN =
  'No token that is known: expected an access token (it begins with "eyJhbGciOi" or "fk-") or a refresh token (45 characters).';
const NO_TOKEN_FIELD = 'The JSON has neither "access_token" nor "refresh_token" nor "accessToken".';
const BAD_WORKSPACE = 'What stands after the comma is no account id: expected up to 128 visible characters.';
const TOO_LONG = `The token has more than ${MAX_TOKEN_CHARS} characters.`;
const BAD_JSON = 'The line begins like JSON, but is not.';

/**
 * Accounts out of text as people have it: per line an access token, a refresh token, `token,account id`,
 * or JSON; or the whole text one JSON document. `#` begins a comment line.
 */
export function parseAccountLines(text: string): ParsedLine[] {
  const parsed: ParsedLine[] = [];
  /** By account, where in `parsed` it is. */
  const places = new Map<string, number>();
  for (const { line, value } of toEntries(text.replace(/^\uFEFF/, ''))) {
    const account = toAccount(value);
    if (typeof account === 'string') parsed.push({ line, kind: 'rejected', why: account });
    else addAccount(parsed, places, line, account);
  }
  return parsed;
}

function toEntries(text: string): Entry[] {
  const document = /^\s*[[{]/.test(text) ? fromJson(text) : undefined;
  if (Array.isArray(document)) return document.map((value: unknown, index) => ({ line: index + 1, value }));
  if (document !== undefined) return [{ line: 1, value: document }];
  return text
    .split(/\r\n|\r|\n/)
    .map((value, index) => ({ line: index + 1, value: value.trim() }))
    .filter(({ value }) => value !== '' && !value.startsWith('#'));
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Why not, in words, when it is none. */
function toAccount(value: unknown): OfferedAccount | string {
  if (typeof value === 'string' && !value.startsWith('{')) return fromText(value);
  const json = typeof value === 'string' ? fromJson(value) : value;
  return isRecord(json) ? fromFields(json) : BAD_JSON;
}

function fromText(text: string): OfferedAccount | string {
  const [token = '', ...rest] = unwrap(text).split(',');
  const credential = toCredential(token.trim(), rest.join(',').trim() || null, REFRESH_TOKEN);
  return typeof credential === 'string'
    ? credential
    : { id: accountIdOf(credential), credential, access: null };
}

/** Without what surrounds a token where people copy it from: quotes, a list's comma, a header's name. */
function unwrap(text: string): string {
  const bare = text.replace(/[,;]\s*$/, '').trim();
  const unquoted = /^(["'`])(.*)\1$/.exec(bare)?.[2] ?? bare;
  return unquoted.replace(/^(?:authorization\s*:\s*)?bearer\s+/i, '').trim();
}

function fromFields(fields: Readonly<Record<string, unknown>>): OfferedAccount | string {
  const tokens = isRecord(fields['tokens']) ? fields['tokens'] : fields;
  const access = textOf(tokens, 'access_token') ?? textOf(tokens, 'accessToken');
  const refresh = textOf(tokens, 'refresh_token') ?? textOf(tokens, 'refreshToken');
  const token = refresh ?? access;
  if (token === null) return NO_TOKEN_FIELD;
  const account = isRecord(fields['account']) ? fields['account'] : {};
  const workspace = textOf(tokens, 'account_id') ?? textOf(account, 'id');
  const credential = toCredential(token, workspace, refresh === null ? REFRESH_TOKEN : NAMED_REFRESH_TOKEN);
  if (typeof credential === 'string') return credential;
  const isPair = credential.kind === 'refresh' && access !== null && ACCESS_TOKEN.test(access);
  return { id: accountIdOf(credential), credential, access: isPair ? toAccessToken(access) : null };
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = fields[name];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

function toCredential(token: string, accountId: string | null, refreshForm: RegExp): Credential | string {
  if (token.length > MAX_TOKEN_CHARS) return TOO_LONG;
  if (accountId !== null && !WORKSPACE.test(accountId)) return BAD_WORKSPACE;
  if (ACCESS_TOKEN.test(token)) return { kind: 'access', token, accountId };
  return refreshForm.test(token) ? { kind: 'refresh', token, accountId } : NO_TOKEN;
}

export function toAccessToken(token: string): AccessToken {
  return { token, expiresMs: readJwt(token)?.expiresMs ?? null };
}

function addAccount(
  parsed: ParsedLine[],
  places: Map<string, number>,
  line: number,
  account: OfferedAccount,
): void {
  const { id } = account;
  const place = places.get(id);
  const before = place === undefined ? undefined : parsed[place];
  if (place !== undefined && before?.kind === 'account' && !isFresher(account, before.account.credential)) {
    parsed.push({ line, kind: 'repeated', id, of: before.line });
    return;
  }
  if (place !== undefined && before !== undefined) {
    parsed[place] = { line: before.line, kind: 'repeated', id, of: line };
  }
  places.set(id, parsed.length);
  parsed.push({ line, kind: 'account', account });
}

/**
 * Names the account everywhere. An access token that tells whose it is stands for the person and the
 * workspace, so that a fresh one is the same account; any other token stands for itself.
 */
export function accountIdOf(credential: Credential): string {
  const claims = credential.kind === 'access' ? readJwt(credential.token) : null;
  const workspace = credential.accountId ?? claims?.workspace ?? null;
  const identity = claims?.userId
    ? ['user', claims.userId, workspace]
    : ['token', credential.token, workspace];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 12);
}

export interface Merge {
  readonly outcome: 'added' | 'updated' | 'known';
  readonly record: AccountRecord;
}

/** What the store shall hold once the account was offered. A fresh token ends a quarantine. */
export function mergeAccount(
  known: AccountRecord | undefined,
  offered: OfferedAccount,
  nowMs: number,
): Merge {
  if (known === undefined) return { outcome: 'added', record: newAccount(offered, nowMs) };
  if (!isFresher(offered, known.credential) && !hasFresherAccess(offered, known)) {
    return { outcome: 'known', record: known };
  }
  const { credential, access } = offered;
  const standing = known.standing.kind === 'quarantined' ? { kind: 'good' as const } : known.standing;
  const plan = planOf(offered) ?? known.plan;
  return {
    outcome: 'updated',
    record: { ...known, credential, access: access ?? known.access, standing, plan },
  };
}

function newAccount(offered: OfferedAccount, nowMs: number): AccountRecord {
  const { id, credential, access } = offered;
  return {
    id,
    credential,
    addedMs: nowMs,
    access,
    standing: { kind: 'good' },
    plan: planOf(offered),
    limits: [],
    concurrency: null,
  };
}

function planOf({ credential, access }: OfferedAccount): string | null {
  return readJwt(access?.token ?? credential.token)?.plan ?? null;
}

/** Another token of the same account that does not end earlier, as far as tokens tell. */
function isFresher(offered: OfferedAccount, known: Credential): boolean {
  const { credential } = offered;
  if (credential.token === known.token) return false;
  return lasts(readJwt(credential.token)?.expiresMs) >= lasts(readJwt(known.token)?.expiresMs);
}

function hasFresherAccess(offered: OfferedAccount, known: AccountRecord): boolean {
  if (offered.access === null || offered.access.token === known.access?.token) return false;
  return known.access === null || lasts(offered.access.expiresMs) > lasts(known.access.expiresMs);
}

/** A token that does not say when it ends counts as the oldest. */
function lasts(expiresMs: number | null | undefined): number {
  return expiresMs ?? 0;
}
