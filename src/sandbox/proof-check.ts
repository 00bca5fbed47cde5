import { createHash } from 'node:crypto';

/** What a client says its browser looks like; the length of the list differs between page versions. */
type BrowserFacts = readonly unknown[];

export type ProofVerdict =
  | { readonly ok: true; readonly facts: BrowserFacts | null }
  | { readonly ok: false; readonly problem: string };

const REQUIREMENTS_PREFIX = 'gAAAAAC';
const PROOF_PREFIX = 'gAAAAAB';
/** What a client sends when it gave up searching, followed by its seed. */
const GIVEN_UP = 'wQ8Lk5FbGpA2NcR9dShT6gYjU7VxZ4D';
const MIN_FACTS = 13;
const NONCE_INDEX = 3;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The text `p` of a requirements call. Its seed stays with the client, so only its form can be checked. */
export function checkRequirementsText(text: string): ProofVerdict {
  if (!text.startsWith(REQUIREMENTS_PREFIX)) return failed(`p does not start with ${REQUIREMENTS_PREFIX}`);
  const encoded = text.slice(REQUIREMENTS_PREFIX.length);
  if (encoded.startsWith(GIVEN_UP)) return { ok: true, facts: null };
  const facts = decodeFacts(encoded);
  return facts === null ? failed('p is not base64 of a JSON array') : { ok: true, facts };
}

/** The proof header, against the challenge that was issued. */
export function checkProof(text: string, seed: string, difficulty: string): ProofVerdict {
  if (!text.startsWith(PROOF_PREFIX)) return failed(`proof does not start with ${PROOF_PREFIX}`);
  const encoded = text.slice(PROOF_PREFIX.length);
  if (encoded.startsWith(GIVEN_UP)) return failed('proof was given up');
  const facts = decodeFacts(encoded);
  if (facts === null) return failed('proof is not base64 of a JSON array');
  if (facts.length < MIN_FACTS) return failed(`proof has ${facts.length} entries, fewer than ${MIN_FACTS}`);
  if (!Number.isInteger(facts[NONCE_INDEX])) return failed('proof has no whole number as its nonce');
  if (!isEasyEnough(seed, encoded, difficulty)) return failed('proof does not meet the difficulty');
  return { ok: true, facts };
}

/** Every known client's rule accepts a subset of this one: equality counts as solved. */
function isEasyEnough(seed: string, encoded: string, difficulty: string): boolean {
  const digest = createHash('sha3-512')
    .update(seed + encoded)
    .digest('hex');
  return digest.slice(0, difficulty.length) <= difficulty;
}

function decodeFacts(encoded: string): BrowserFacts | null {
  if (encoded === '' || !BASE64.test(encoded)) return null;
  try {
    const json = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(encoded, 'base64'));
    const facts: unknown = JSON.parse(json);
    return Array.isArray(facts) ? facts : null;
  } catch {
    return null;
  }
}

function failed(problem: string): ProofVerdict {
  return { ok: false, problem };
}
