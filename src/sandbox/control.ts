import { sendJson, type Exchange, type Handler } from './exchange.ts';
import { parseScenarios } from './scenario-parser.ts';
import type { World } from './world.ts';

/** Where a test says what is to happen and reads what did; no backend has such paths. */
export const CONTROL_PREFIX = '/__sandbox/';

/** The control endpoints, by method and path. */
export function createControlRoutes(world: World): Iterable<readonly [string, Handler]> {
  return [
    [`POST ${CONTROL_PREFIX}scenario`, (exchange) => setScenario(world, exchange)],
    [`POST ${CONTROL_PREFIX}reset`, (exchange) => reset(world, exchange)],
    [`GET ${CONTROL_PREFIX}requests`, (exchange) => showRequests(world, exchange)],
    [`GET ${CONTROL_PREFIX}accounts`, (exchange) => showAccounts(world, exchange)],
    [`GET ${CONTROL_PREFIX}state`, (exchange) => showState(world, exchange)],
  ];
}

/** Replaces all scenarios by the one given, or by a list to be used in order. */
function setScenario(world: World, { body, response }: Exchange): void {
  const parsed = parseScenarios(body.json, world.scenarios.defaults);
  if (!parsed.ok) return sendJson(response, 400, { error: parsed.problem });
  world.scenarios.replace(parsed.scenarios);
  sendJson(response, 200, { scenarios: parsed.scenarios });
}

/** Back to the beginning: defaults, no records, ids from the start, spent refresh tokens good again. Issued tokens stay good. */
function reset(world: World, { response }: Exchange): void {
  world.scenarios.replace([]);
  world.recorder.clear();
  world.accounts.clear();
  world.grants.clear();
  world.random.restart();
  sendJson(response, 200, { ok: true });
}

function showRequests(world: World, { response }: Exchange): void {
  sendJson(response, 200, { requests: world.recorder.records() });
}

/** What each account was used for, and how often refresh tokens were exchanged. */
function showAccounts(world: World, { response }: Exchange): void {
  sendJson(response, 200, { accounts: world.accounts.records(), exchanges: world.grants.counts() });
}

function showState(world: World, { response }: Exchange): void {
  const streams = world.recorder.open().filter((record) => record.path.endsWith('/conversation'));
  sendJson(response, 200, {
    openStreams: streams.length,
    streams: streams.map(({ id, connection, events, startedAtMs }) => ({
      id,
      connection,
      events,
      startedAtMs,
    })),
    counts: world.recorder.counts(),
    unusedTokens: world.ledger.size,
    conversations: world.conversations.size,
    files: world.files.size,
    sockets: world.sockets.state(),
    scenarios: world.scenarios.remaining(),
  });
}
