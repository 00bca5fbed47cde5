import { arkoseTokenFor } from './arkose.ts';
import type { Base } from './callers.ts';
import { CLEARANCE_LIFETIME_S, type Clearance } from './clearance-ledger.ts';
import { sendJson, type Exchange, type Handler } from './exchange.ts';
import { admit, passEdge, playError, refuse } from './gate.ts';
import { isObject } from './json-shape.ts';
import { checkRequirementsText } from './proof-check.ts';
import { detail, RefusedError } from './refusals.ts';
import type { Persona, Scenario } from './scenario.ts';
import type { World } from './world.ts';

/** `POST {base}/sentinel/chat-requirements`: hands out a token and what must come with it. */
export function createRequirementsHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'requirements');
    if (scenario === null) return;
    const caller = admit(world, exchange, base, false);
    const persona = scenario.persona ?? caller.persona;
    checkText(world, exchange);
    playError(world, scenario, 'requirements');

    const blob = scenario.arkoseRequired ? world.random.hex(48) : null;
    const clearance = issue(world, scenario, base, exchange, blob);
    sendJson(exchange.response, 200, toReply(clearance, persona, blob, scenario, world));
  };
}

function checkText(world: World, exchange: Exchange): void {
  const { json } = exchange.body;
  if (!isObject(json)) throw new RefusedError(detail(422, [missingBody()]));
  const text = json['p'];
  // The call of early 2024 has `conversation_mode_kind` instead, and later ones may leave `p` out.
  if (text === undefined || text === null) return;
  if (typeof text !== 'string') throw new RefusedError(detail(422, [notText()]));
  const verdict = checkRequirementsText(text);
  if (!verdict.ok) {
    exchange.record.warnings.push(verdict.problem);
    if (world.strict) refuse(world, 'unusual_activity');
    return;
  }
  if (verdict.facts !== null && verdict.facts[4] !== exchange.request.headers['user-agent']) {
    exchange.record.warnings.push('p names another User-Agent than the request');
  }
}

function issue(
  world: World,
  scenario: Scenario,
  base: Base,
  exchange: Exchange,
  blob: string | null,
): Clearance {
  const clearance: Clearance = {
    token: `gAAAAABsim-${world.random.hex(40)}`,
    base,
    deviceId: String(exchange.request.headers['oai-device-id'] ?? ''),
    proof: scenario.proofRequired
      ? { seed: String(world.random.next()), difficulty: scenario.difficulty }
      : null,
    arkoseToken: blob === null ? null : arkoseTokenFor(blob),
    arkoseModels: scenario.arkoseModels === 'all' ? '' : scenario.arkoseModels,
    loginForced: scenario.forceLogin,
  };
  world.ledger.issue(clearance);
  return clearance;
}

function toReply(
  clearance: Clearance,
  persona: Persona,
  blob: string | null,
  scenario: Scenario,
  world: World,
): object {
  const dx = scenario.turnstileRequired ? Buffer.from(world.random.hex(24)).toString('base64') : null;
  return {
    persona,
    token: clearance.token,
    expire_after: CLEARANCE_LIFETIME_S,
    expire_at: Math.floor(world.now() / 1000) + CLEARANCE_LIFETIME_S,
    arkose: { required: blob !== null, dx: blob },
    turnstile: { required: scenario.turnstileRequired, dx },
    proofofwork: clearance.proof === null ? { required: false } : { required: true, ...clearance.proof },
    ...(scenario.forceLogin ? { force_login: true } : {}),
  };
}

function missingBody(): object {
  return { type: 'missing', loc: ['body'], msg: 'Field required' };
}

function notText(): object {
  return { type: 'string_type', loc: ['body', 'p'], msg: 'Input should be a valid string' };
}
