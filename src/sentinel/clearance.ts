import { createHash } from 'node:crypto';
import type { ChatPorts, Clearance, Session } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import { ChatError } from '../errors.ts';
import { DIRECT } from '../outbound/exits.ts';
import type { Exchange } from '../outbound/exchange.ts';
import { expectedTries } from '../threads/expected-tries.ts';
import type { Urgency } from '../threads/line.ts';
import type { ProofPool } from '../threads/pool.ts';
import type { ProofPuzzle } from '../threads/tasks.ts';
import { together } from '../together.ts';
import { createLanding } from '../upstream/landing.ts';
import type { ClientProfile } from '../upstream/headers.ts';
import type { ModelList, ModelLists } from '../upstream/models.ts';
import { noModel } from '../upstream/protocol/refusal.ts';
import { createArkose } from './arkose.ts';
import { browserConfig } from './browser-config.ts';
import { fitToSeed } from './fit-to-seed.ts';
import { encodeAnswer, isTooHard, passes, requirementsToken } from './proof.ts';
import type { SearchHere } from './proof.ts';
import { fetchRequirements } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import type { Search, SearchOrder } from './search-order.ts';

export interface ClearanceOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  readonly pool: Pick<ProofPool, 'solve'>;
  /** ARKOSE_TOKEN_URL. */
  readonly arkoseServices: readonly string[];
  /** POW_DIFFICULTY. */
  readonly hardestDifficulty: string;
  /** CONVERSATION_ONLY: the gateway answers the challenges itself. */
  readonly conversationOnly: boolean;
  /** CHECK_MODEL: where to look a model up before it is used; null: only known restrictions count. */
  readonly modelLists: Pick<ModelLists, 'list'> | null;
  /** For the little that is searched on this thread. */
  readonly searchHere: SearchHere;
  readonly searchOrder: Pick<SearchOrder, 'choose'>;
  /** Wall clock, for the date in the proof. */
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly landingTimeoutMs?: number;
  readonly requirementsTimeoutMs?: number;
  readonly arkoseTimeoutMs?: number;
}

/** A chat waits no longer for a page that it can do without. */
const LANDING_TIMEOUT_MS = 5_000;
const REQUIREMENTS_TIMEOUT_MS = 10_000;
const ARKOSE_TIMEOUT_MS = 15_000;
/** A gateway that names a persona gives these to paying accounts only. */
const PAID_PERSONA = 'chatgpt-paid';
const PAID_SLUGS: ReadonlySet<string> = new Set(['gpt-4', 'o1-preview']);
/**
 * A proof that takes no more tries on average is searched right here: 32 tries last some 0.3 ms, as long
 * as the way to a thread and back takes under load (0.1 ms without).
 */
const HERE_EXPECTED_TRIES = 32;
/** Bad luck goes to a thread before it holds up the others: after 1 ms, which one in fifty needs. */
const HERE_MOST_TRIES = 128;
const NOTHING: Clearance = { requirementsToken: null, proofToken: null, arkoseToken: null };
const NO_CANCEL = new SharedArrayBuffer(4);
const monotonicMs = (): number => performance.now();

/** A clearance for a turn that is still to come. */
export interface Prepared {
  readonly clearance: Clearance;
  /** What the backend takes the caller for; decides which models are open to it. */
  readonly persona: string | null;
  /** What was right for the gateway then. */
  readonly search: Search;
  /** From now on. */
  readonly lifetimeMs: number;
}

export interface Clearances extends Pick<ChatPorts, 'clear'> {
  /** Knows the session's gateway before its first chat. Rejects only with the signal's reason. */
  readonly openPage: (session: Session, signal: AbortSignal) => Promise<void>;
  /**
   * Answers the challenges ahead of a turn, at the threads' leisure. Null: there are none, or one that
   * costs money (Arkose). Rejects as `clear` does.
   */
  prepare(session: Session, signal: AbortSignal): Promise<Prepared | null>;
  /**
   * What was prepared, for this turn; null: no longer what would be sent now. Rejects as `clear` does when
   * the turn's model is not open to the account.
   */
  adopt(prepared: Prepared, session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance | null>;
}

type Proof = Pick<Clearance, 'proofToken' | 'search'>;

/** What the backend wants of a session, and the text that both proofs are about. */
interface Challenge {
  readonly wanted: Requirements;
  readonly search: Search;
  readonly text: ProofPuzzle['text'];
}

/** Landing page, requirements, then proof of work and Arkose side by side. */
export function createClearance(options: ClearanceOptions): Clearances {
  const { exchange, profile, nowMs, random, newId, searchOrder } = options;
  const landing = createLanding({
    exchange,
    profile,
    nowMs: monotonicMs,
    timeoutMs: options.landingTimeoutMs ?? LANDING_TIMEOUT_MS,
  });
  const arkose = createArkose({
    exchange,
    services: options.arkoseServices,
    exit: DIRECT,
    timeoutMs: options.arkoseTimeoutMs ?? ARKOSE_TIMEOUT_MS,
  });
  const timeoutMs = options.requirementsTimeoutMs ?? REQUIREMENTS_TIMEOUT_MS;
  const call = { exchange, profile, timeoutMs, nowMs };
  const context = { nowMs, random, newId };

  async function clear(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance> {
    if (options.conversationOnly) return NOTHING;
    const { slug } = turn.model;
    if (options.modelLists !== null) refuseUnlisted(slug, await options.modelLists.list(session, signal));
    const challenge = await fetchChallenge(session, signal);
    const { wanted } = challenge;
    if (options.modelLists === null) refuseUnpaid(slug, wanted.persona);
    if (wanted.proof === null && wanted.arkose === null)
      return { ...NOTHING, requirementsToken: wanted.token };
    const [proof, arkoseToken] = await answers(challenge, signal);
    return { requirementsToken: wanted.token, arkoseToken, ...proof };
  }

  async function openPage(session: Session, signal: AbortSignal): Promise<void> {
    if (!options.conversationOnly) await landing.fetchAhead(session, signal);
  }

  async function answers(challenge: Challenge, signal: AbortSignal): Promise<[Proof, string | null]> {
    const { wanted } = challenge;
    if (wanted.arkose === null) return [await prove(challenge, 'client', signal), null];
    const { blob } = wanted.arkose;
    return together(signal, (either) => [prove(challenge, 'client', either), arkose(blob, either)]);
  }

  async function prepare(session: Session, signal: AbortSignal): Promise<Prepared | null> {
    if (options.conversationOnly) return null;
    const challenge = await fetchChallenge(session, signal);
    const { wanted, search } = challenge;
    if (wanted.arkose !== null) return null;
    const sinceMs = monotonicMs();
    const proof = await prove(challenge, 'background', signal);
    const { deviceId } = session;
    return {
      clearance: { requirementsToken: wanted.token, arkoseToken: null, deviceId, ...proof },
      persona: wanted.persona,
      search,
      lifetimeMs: wanted.lifetimeMs - (monotonicMs() - sinceMs),
    };
  }

  async function adopt(
    { clearance, persona, search }: Prepared,
    session: Session,
    turn: Turn,
    signal: AbortSignal,
  ): Promise<Clearance | null> {
    const { slug } = turn.model;
    if (options.modelLists === null) refuseUnpaid(slug, persona);
    else refuseUnlisted(slug, await options.modelLists.list(session, signal));
    return search === searchOrder.choose(session.origin) ? clearance : null;
  }

  async function fetchChallenge(session: Session, signal: AbortSignal): Promise<Challenge> {
    const page = await landing.page(session, signal);
    const search = searchOrder.choose(session.origin);
    const { scripts, buildId } = page;
    const text = browserConfig({ userAgent: profile.userAgent, scripts, buildId }, context, search);
    const p = requirementsToken(text, String(random()), options.searchHere);
    const wanted = await fetchRequirements(call, session, p, signal);
    refuseTooHard(wanted.proof, options.hardestDifficulty);
    return { wanted, search, text };
  }

  async function prove({ wanted, text }: Challenge, urgency: Urgency, signal: AbortSignal): Promise<Proof> {
    if (wanted.proof === null) return { proofToken: null };
    const { seed, difficulty } = wanted.proof;
    const puzzle: ProofPuzzle = { seed, difficulty, text: fitToSeed(text, seed, random) };
    const base64 = trySome(puzzle) ?? (await options.pool.solve(puzzle, signal, urgency)).base64;
    // One hash by another implementation: an answer that we know to be wrong costs the address its name.
    const digest = createHash('sha3-512')
      .update(seed + base64)
      .digest();
    if (!passes(digest, difficulty))
      throw new ChatError('internal_error', 'The proof of work came out wrong.');
    return { proofToken: encodeAnswer(base64), search: text.search };
  }

  /** Null: worth a thread. */
  function trySome(puzzle: ProofPuzzle): string | null {
    if (expectedTries(puzzle.difficulty) > HERE_EXPECTED_TRIES) return null;
    const range = { from: 0, tries: HERE_MOST_TRIES, cancel: NO_CANCEL };
    const result = options.searchHere({ type: 'proof', ...puzzle, ...range });
    return result.type === 'solved' ? result.answer : null;
  }

  return { clear, openPage, prepare, adopt };
}

/** Another account may have it. */
const NOT_ITS_OWN = { retryable: true };

/** Upstream's own slugs have endings that ours lack: one that contains ours will do. */
function refuseUnlisted(slug: string, list: ModelList): void {
  if (list instanceof ChatError) throw list;
  if (!list.some((listed) => listed.includes(slug))) throw noModel(slug, NOT_ITS_OWN);
}

/** Upstream would silently answer with a smaller model. */
function refuseUnpaid(slug: string, persona: string | null): void {
  if (persona === null || persona === PAID_PERSONA || !PAID_SLUGS.has(slug)) return;
  throw noModel(slug, NOT_ITS_OWN);
}

function refuseTooHard(proof: Requirements['proof'], hardest: string): void {
  if (proof === null || !isTooHard(proof.difficulty, hardest)) return;
  throw new ChatError(
    'pow_difficulty_too_high',
    `The backend wants a proof of work of difficulty ${proof.difficulty.slice(0, 16)}; POW_DIFFICULTY allows only easier ones than ${hardest}. It distrusts the address: use another outbound proxy (PROXY_URL), or allow more.`,
  );
}
