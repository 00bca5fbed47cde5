import { fingerprint } from '../accounts/fingerprint.ts';
import type { OwnModels, Session } from '../chat/ports.ts';
import type { Caller, Identity } from '../conversation/turn.ts';
import { ChatError } from '../errors.ts';
import { headerText } from '../outbound/exchange.ts';
import type { Answer, Exchange } from '../outbound/exchange.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile } from './headers.ts';
import { toRefusal } from './protocol/refusal.ts';
import { createSharing } from './sharing.ts';

export interface ModelListsOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  /** CHATGPT_BASE_URL. */
  readonly origins: readonly string[];
  /** A session for a call beside the chats; null: none of an account can be had. Rejects only with the signal's reason. */
  readonly visit: (caller: Caller, signal: AbortSignal) => Promise<Session | null>;
  /** The session's account was refused: the next visit is by another, or with another token. */
  readonly visited?: (session: Session, failure: ChatError) => void;
  /** May start anywhere, never goes back. */
  readonly nowMs: () => number;
  readonly timeoutMs?: number;
  readonly maxLists?: number;
}

/** Slugs, or why there are none. */
export type ModelList = readonly string[] | ChatError;

export interface ModelLists {
  /** What the session's account, or a visitor, is offered through its gateway. Rejects only with the signal's reason. */
  readonly list: (session: Session, signal: AbortSignal) => Promise<ModelList>;
  /** The same for a caller with a token, by whichever gateway. */
  readonly own: OwnModels;
}

const TIMEOUT_MS = 5_000;
const MAX_LISTS = 1_000;
/** Accounts that are asked for one list, when the ones before are refused. */
const MAX_VISITS = 4;
const LIST_LIFE_MS = 10 * 60_000;
/** A list that failed is tried again soon, but not before every chat. */
const FAILURE_LIFE_MS = 10_000;
const MAX_SLUGS = 500;
/** Slugs go to clients and come back as the names of models. */
const SLUG = /^[\x21-\x7e]{1,128}$/;

interface CachedList {
  readonly list: ModelList;
  readonly endsMs: number;
}

export function createModelLists(options: ModelListsOptions): ModelLists {
  const { exchange, profile, nowMs, visit, timeoutMs = TIMEOUT_MS, maxLists = MAX_LISTS } = options;
  const { visited = () => {} } = options;
  const origins = options.origins.map((origin) => origin.replace(/\/+$/, ''));
  /** By gateway and account; the oldest comes first. */
  const cached = new Map<string, CachedList>();
  const share = createSharing<ModelList>();

  async function fetchList(session: Session, signal: AbortSignal): Promise<ModelList> {
    const { origin, exit, identity } = session;
    const headers = baseHeaders(session, profile);
    const path = `${basePath(session)}/models`;
    const step = "the backend's list of models";
    const list = await exchange(
      { exit, origin, method: 'GET', path, headers, body: null, timeoutMs, step },
      signal,
    )
      .then((answer) => toList(answer, identity))
      .catch((thrown: unknown) => toFailure(thrown));
    if (!signal.aborted) remember(keyOf(origin, identity), list);
    return list;
  }

  function remember(key: string, list: ModelList): void {
    const endsMs = nowMs() + (list instanceof ChatError ? FAILURE_LIFE_MS : LIST_LIFE_MS);
    cached.delete(key);
    cached.set(key, { list, endsMs });
    for (const oldest of cached.keys()) {
      if (cached.size <= maxLists) return;
      cached.delete(oldest);
    }
  }

  function recall(origin: string, identity: Identity): ModelList | null {
    const known = cached.get(keyOf(origin, identity));
    return known !== undefined && nowMs() < known.endsMs ? known.list : null;
  }

  async function list(session: Session, signal: AbortSignal): Promise<ModelList> {
    const { origin, identity } = session;
    const known = recall(origin, identity);
    return known ?? share(keyOf(origin, identity), (shared) => fetchList(session, shared), signal);
  }

  async function own(caller: Caller, signal: AbortSignal): Promise<readonly string[] | null> {
    for (let visits = 0; visits < MAX_VISITS; visits += 1) {
      const session = await visit(caller, signal);
      if (session === null || session.identity.token === null) return null;
      const found = await listByAny(session, signal);
      if (!(found instanceof ChatError)) return found;
      visited(session, found);
      if (session.account === null || found.code !== 'account_unauthorized') return null;
    }
    return null;
  }

  async function listByAny(session: Session, signal: AbortSignal): Promise<ModelList> {
    const recalled = origins
      .map((origin) => recall(origin, session.identity))
      .filter((known) => known !== null);
    const good = recalled.find((known) => !(known instanceof ChatError));
    return good ?? recalled[0] ?? list(session, signal);
  }

  return { list, own };
}

function keyOf(origin: string, identity: Identity): string {
  return `${origin} ${fingerprint(identity)}`;
}

function toList(answer: Answer, { token }: Identity): ModelList {
  const { status, contentType, text, headers } = answer;
  if (status === 200) return parseSlugs(text) ?? unavailable('it is none');
  const retryAfter = headerText(headers, 'retry-after');
  const anonymous = token === null;
  const refused = { status, contentType, body: text, retryAfter, anonymous, model: null } as const;
  const refusal = toRefusal({ ...refused, at: 'requirements' });
  return refusal.fault === 'account' || refusal.fault === 'address'
    ? refusal
    : unavailable(`status ${status}`);
}

function toFailure(thrown: unknown): ChatError {
  return unavailable(thrown instanceof ChatError ? thrown.message : 'the call failed');
}

function unavailable(why: string): ChatError {
  return new ChatError(
    'model_not_found',
    `Failed to get the backend's list of models, without which CHECK_MODEL lets no chat pass (${why}). Try again.`,
    { param: 'model' },
  );
}

function parseSlugs(text: string): readonly string[] | null {
  const models = field(parseJson(text), 'models');
  if (!Array.isArray(models)) return null;
  const slugs = models.map((model: unknown) => field(model, 'slug')).filter(isSlug);
  return [...new Set(slugs)].slice(0, MAX_SLUGS);
}

function isSlug(value: unknown): value is string {
  return typeof value === 'string' && SLUG.test(value);
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
