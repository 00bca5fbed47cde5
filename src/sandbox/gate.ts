import { setTimeout as sleep } from 'node:timers/promises';
import { accountOf, identifyCaller, ownerOf, type Base, type Caller } from './callers.ts';
import type { Exchange } from './exchange.ts';
import { findHeaderProblems } from './header-check.ts';
import { refusal, RefusedError, type RefusalFacts, type RefusalName } from './refusals.ts';
import type { Place, Scenario } from './scenario.ts';
import type { World } from './world.ts';

/** Errors that come from in front of the backend, before it looks at a request. */
const EDGE_ERRORS: readonly RefusalName[] = ['cloudflare', 'html_500', 'html_503', 'unavailable'];

/** Takes the scenario for a request and plays what strikes before the backend looks; null: nobody is left. */
export async function passEdge(world: World, exchange: Exchange, place: Place): Promise<Scenario | null> {
  const scenario = world.scenarios.take(place, exchange.authorization);
  if (scenario.at !== place) return scenario;
  if (scenario.headersDelayMs > 0) await sleep(scenario.headersDelayMs, undefined, { ref: false });
  if (exchange.response.destroyed) return null;
  if (scenario.resetBeforeHeaders) {
    world.recorder.markCut(exchange.record);
    exchange.request.socket.resetAndDestroy();
    return null;
  }
  if (scenario.error !== null && EDGE_ERRORS.includes(scenario.error)) refuseByScenario(world, scenario);
  return scenario;
}

/** Plays the scenario's own error, which comes after everything the request itself did wrong. */
export function playError(world: World, scenario: Scenario, place: Place, model = ''): void {
  if (scenario.at === place && scenario.error !== null) refuseByScenario(world, scenario, model);
}

/** Checks token and, when strict, headers. Returns who calls; throws RefusedError. */
export function admit(world: World, exchange: Exchange, base: Base, streams: boolean): Caller {
  if (base === '/backend-anon' && !world.scenarios.peek(exchange.authorization).visitors)
    refuse(world, 'unauthorized');
  const caller = identifyCaller(base, exchange.authorization, world.now());
  if (!caller.ok) throw new RefusedError(refusal(caller.refusal, factsOf(world)));
  const problems = findHeaderProblems(exchange.request.headers, streams);
  exchange.record.warnings.push(...problems);
  if (world.strict && problems.length > 0) refuse(world, 'unusual_activity');
  const account = base === '/backend-anon' ? null : accountOf(exchange.authorization);
  return { persona: caller.persona, owner: ownerOf(base, exchange.request.headers), account };
}

export function refuse(world: World, name: RefusalName, model = '', clearsInS?: number): never {
  const facts = factsOf(world, model);
  throw new RefusedError(refusal(name, { ...facts, clearsInS: clearsInS ?? facts.clearsInS }));
}

function refuseByScenario(world: World, scenario: Scenario, model = ''): never {
  if (scenario.error === null) throw new TypeError('the scenario has no error');
  throw new RefusedError(
    refusal(scenario.error, { ...factsOf(world, model), clearsInS: scenario.clearsInS }),
  );
}

function factsOf(world: World, model = ''): RefusalFacts {
  return { ray: world.random.hex(16), clearsInS: world.scenarios.defaults.clearsInS, model };
}
