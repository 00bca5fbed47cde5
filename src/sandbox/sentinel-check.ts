import type { IncomingHttpHeaders } from 'node:http';
import type { Base } from './callers.ts';
import type { Clearance } from './clearance-ledger.ts';
import { checkProof } from './proof-check.ts';
import type { World } from './world.ts';

export type SentinelVerdict =
  | { readonly kind: 'passed'; readonly warnings: readonly string[] }
  | { readonly kind: 'login-required' }
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * Redeems the requirements token of a conversation and checks what had to come with it. The token
 * is used up whatever the verdict. A Turnstile token is never demanded: clients cannot make one.
 */
export function checkSentinel(
  world: World,
  headers: IncomingHttpHeaders,
  base: Base,
  model: string,
): SentinelVerdict {
  const token = headers['openai-sentinel-chat-requirements-token'];
  if (typeof token !== 'string' || token === '') return refused('requirements token is missing');
  const clearance = world.ledger.redeem(token);
  if (clearance === undefined) return refused('requirements token is unknown, used or expired');
  if (clearance.base !== base) return refused(`requirements token was issued under ${clearance.base}`);
  if (clearance.deviceId !== headers['oai-device-id']) {
    return refused('requirements token was issued to another oai-device-id');
  }
  if (clearance.loginForced) return { kind: 'login-required' };
  const arkose = headers['openai-sentinel-arkose-token'];
  const wantsArkose = clearance.arkoseToken !== null && model.includes(clearance.arkoseModels);
  if (wantsArkose && arkose !== clearance.arkoseToken) {
    return refused('arkose token is missing or wrong');
  }
  return checkProofHeader(clearance, headers);
}

function checkProofHeader(clearance: Clearance, headers: IncomingHttpHeaders): SentinelVerdict {
  if (clearance.proof === null) return { kind: 'passed', warnings: [] };
  const proof = headers['openai-sentinel-proof-token'];
  if (typeof proof !== 'string') return refused('proof token is missing');
  const verdict = checkProof(proof, clearance.proof.seed, clearance.proof.difficulty);
  if (!verdict.ok) return refused(verdict.problem);
  const sameAgent = verdict.facts?.[4] === headers['user-agent'];
  return { kind: 'passed', warnings: sameAgent ? [] : ['proof names another User-Agent than the request'] };
}

function refused(problem: string): SentinelVerdict {
  return { kind: 'refused', problem };
}
