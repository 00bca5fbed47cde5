import { createHash } from 'node:crypto';
import type { ChatPorts, Clearance, Session } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import { ChatError } from '../errors.ts';
import { DIRECT } from '../outbound/exits.ts';
import type { Exchange } from '../outbound/exchange.ts';
import type { ProofPool } from '../threads/pool.ts';
import type { ProofText } from '../threads/tasks.ts';
import { together } from '../together.ts';
import { createLanding } from '../upstream/landing.ts';
import type { ClientProfile } from '../upstream/headers.ts';
import type { ModelList, ModelLists } from '../upstream/models.ts';
import { noModel } from '../upstream/protocol/refusal.ts';
import { createArkose } from './arkose.ts';
import { browserConfig } from './browser-config.ts';
import { fitToSeed } from './fit-to-seed.ts';
import { createNodeHasher } from './node-hasher.ts';
import { encodeAnswer, isTooHard, passes, requirementsToken } from './proof.ts';
import { fetchRequirements } from './requirements.ts';
import type { Requirements } from './requirements.ts';

export interface ClearanceOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  readonly pool: Pick<ProofPool, 'solve'>;
  /** ARKOSE_TOKEN_URL. */
  readonly arkoseServices: readonly string[];
  /** POW_DIFFICULTY. */
  readonly hardestDifficulty: string;
  /** POW_SEARCH; `tail` when left out. */
  readonly proofSearch?: ProofText['search'];
  /** CONVERSATION_ONLY: the gateway answers the challenges itself. */
  readonly conversationOnly: boolean;
  /** CHECK_MODEL: where to look a model up before it is used; null: only known restrictions count. */
  readonly modelLists: Pick<ModelLists, 'list'> | null;
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
const NOTHING: Clearance = { requirementsToken: null, proofToken: null, arkoseToken: null };
const monotonicMs = (): number => performance.now();

/** Landing page, requirements, then proof of work and Arkose side by side. */
export function createClearance(options: ClearanceOptions): Pick<ChatPorts, 'clear'> {
  const { exchange, profile, nowMs, random, newId } = options;
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
  const search = { hasher: createNodeHasher(), isCancelled: () => false };

  async function clear(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance> {
    if (options.conversationOnly) return NOTHING;
    const { slug } = turn.model;
    if (options.modelLists !== null) refuseUnlisted(slug, await options.modelLists.list(session, signal));
    const page = await landing(session, signal);
    const browser = { userAgent: profile.userAgent, ...page };
    const text = browserConfig(browser, { nowMs, random, newId }, options.proofSearch ?? 'tail');
    const p = requirementsToken(text, String(random()), search);
    const wanted = await fetchRequirements({ exchange, profile, timeoutMs }, session, p, signal);
    if (options.modelLists === null) refuseUnpaid(slug, wanted.persona);
    refuseTooHard(wanted.proof, options.hardestDifficulty);
    const [proofToken, arkoseToken] = await together(signal, (either) => [
      prove(wanted.proof, text, either),
      wanted.arkose === null ? Promise.resolve(null) : arkose(wanted.arkose.blob, either),
    ]);
    return { requirementsToken: wanted.token, proofToken, arkoseToken };
  }

  async function prove(
    proof: Requirements['proof'],
    text: ProofText,
    signal: AbortSignal,
  ): Promise<string | null> {
    if (proof === null) return null;
    const { seed, difficulty } = proof;
    const fitting = fitToSeed(text, seed, random);
    const { base64 } = await options.pool.solve({ seed, difficulty, text: fitting }, signal);
    // One hash by another implementation: an answer that we know to be wrong costs the address its name.
    const digest = createHash('sha3-512')
      .update(seed + base64)
      .digest();
    if (!passes(digest, difficulty))
      throw new ChatError('internal_error', 'The proof of work came out wrong.');
    return encodeAnswer(base64);
  }

  return { clear };
}

/** Upstream's own slugs have endings that ours lack: one that contains ours will do. */
function refuseUnlisted(slug: string, list: ModelList): void {
  if (list instanceof ChatError) throw list;
  if (!list.some((listed) => listed.includes(slug))) throw noModel(slug);
}

/** Upstream would silently answer with a smaller model. */
function refuseUnpaid(slug: string, persona: string | null): void {
  if (persona === null || persona === PAID_PERSONA || !PAID_SLUGS.has(slug)) return;
  throw noModel(slug);
}

function refuseTooHard(proof: Requirements['proof'], hardest: string): void {
  if (proof === null || !isTooHard(proof.difficulty, hardest)) return;
  throw new ChatError(
    'pow_difficulty_too_high',
    `The backend wants a proof of work of difficulty ${proof.difficulty.slice(0, 16)}; POW_DIFFICULTY allows only easier ones than ${hardest}. It distrusts the address: use another outbound proxy (PROXY_URL), or allow more.`,
  );
}
