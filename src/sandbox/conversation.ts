import { openConversation } from './accounts/open-conversation.ts';
import type { Base } from './callers.ts';
import { parseConversationBody, textOf, type ConversationBody } from './conversation-body.ts';
import { encodeDelta, encodeDeltaError } from './delta-stream.ts';
import { sendJson, type Exchange, type Handler } from './exchange.ts';
import { admit, passEdge, playError, refuse } from './gate.ts';
import { encodeLegacy, encodeLegacyError } from './legacy-stream.ts';
import { checkAttachments } from './files/attachments.ts';
import { isKnownGizmo, isKnownModel, toServedModel } from './models.ts';
import { playStream, type Ending } from './play-stream.ts';
import { recallConversation } from './recall.ts';
import { detail, RefusedError } from './refusals.ts';
import type { Encoding, Scenario } from './scenario.ts';
import type { Script } from './script.ts';
import { checkSentinel } from './sentinel-check.ts';
import { createSocketWire } from './sockets/socket-wire.ts';
import { writeTurn } from './turn-writer.ts';
import { createWire, type Wire } from './wire.ts';
import type { World } from './world.ts';

/** `POST {base}/conversation`: one turn, answered with a stream of events. */
export function createConversationHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'conversation');
    if (scenario === null) return;
    const caller = admit(world, exchange, base, true);
    const body = readTurn(world, exchange, caller.owner);
    clear(world, exchange, base, scenario, body.model);
    if (world.strict) checkNames(world, body);
    const conversation = recallConversation(world, caller.owner, body);
    playError(world, scenario, 'conversation', body.model);

    const close = await openConversation(world, caller.account, scenario, body.model);
    try {
      const model = scenario.servedModel ?? toServedModel(body.model, scenario.persona ?? caller.persona);
      const script = writeTurn({ world, scenario, body, model, prompt: promptOf(body), conversation });
      if (scenario.transport === 'websocket')
        await playOverSocket(world, exchange, scenario, script, caller.owner);
      else await stream(world, exchange, scenario, script, body.encodings);
    } finally {
      close();
    }
  };
}

function readTurn(world: World, exchange: Exchange, owner: string): ConversationBody {
  const parsed = parseConversationBody(exchange.body.json);
  if (!parsed.ok) throw new RefusedError(detail(422, parsed.problems));
  if (parsed.chars > world.maxMessageChars) refuse(world, 'message_too_long');
  const problems = checkAttachments(world.files, owner, parsed.body.messages);
  exchange.record.warnings.push(...problems.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`));
  if (world.strict && problems.length > 0) throw new RefusedError(detail(422, problems));
  return parsed.body;
}

function checkNames(world: World, { model, gizmoId }: ConversationBody): void {
  if (!isKnownModel(model)) refuse(world, 'model_not_found', model);
  if (gizmoId !== null && !isKnownGizmo(gizmoId)) refuse(world, 'gizmo_not_found');
}

function clear(world: World, exchange: Exchange, base: Base, scenario: Scenario, model: string): void {
  if (!world.strict || !scenario.checkSentinel) return;
  const verdict = checkSentinel(world, exchange.request.headers, base, model);
  if (verdict.kind === 'login-required') return refuse(world, 'unauthorized');
  if (verdict.kind === 'passed') {
    exchange.record.warnings.push(...verdict.warnings);
    return;
  }
  exchange.record.warnings.push(verdict.problem);
  refuse(world, 'unusual_activity');
}

function promptOf(body: ConversationBody): string {
  const last = body.messages.findLast((message) => message.role === 'user') ?? body.messages.at(-1);
  return last === undefined ? '' : textOf(last);
}

async function stream(
  world: World,
  exchange: Exchange,
  scenario: Scenario,
  script: Script,
  asked: readonly string[],
): Promise<void> {
  const { response, record } = exchange;
  const encoding = scenario.encoding ?? (asked.includes('v1') ? 'v1' : 'legacy');
  response.writeHead(200, { 'content-type': scenario.contentType, 'cache-control': 'no-cache' });
  // Headers leave when the turn is accepted, not when the first word is found.
  response.flushHeaders();
  const wire = createWire(response, scenario, world.now);
  const ending = await play(exchange, scenario, script, encoding, wire);
  if (ending !== 'cut') return;
  world.recorder.markCut(record);
  await wire.cut();
}

/** Says where the answer will be told, and tells it there. */
async function playOverSocket(
  world: World,
  exchange: Exchange,
  scenario: Scenario,
  script: Script,
  owner: string,
): Promise<void> {
  const response_id = world.random.uuid();
  const conversation_id = script.conversationId;
  const wss_url = world.sockets.register(exchange.request.headers.host ?? '', owner);
  sendJson(exchange.response, 200, { wss_url, conversation_id, response_id });
  const ids = { conversation_id, response_id };
  const wire = await createSocketWire({ hub: world.sockets, owner, scenario, ids });
  const encoding = scenario.encoding ?? 'legacy';
  if ((await play(exchange, scenario, script, encoding, wire)) === 'cut') await wire.cut();
}

async function play(
  { record }: Exchange,
  scenario: Scenario,
  script: Script,
  encoding: Encoding,
  wire: Wire,
): Promise<Ending> {
  record.playing = true;
  const delta = encoding === 'v1';
  return playStream({
    frames: delta ? encodeDelta(script) : encodeLegacy(script),
    errorFrame: delta ? encodeDeltaError(script, scenario) : encodeLegacyError(script, scenario),
    scenario,
    wire,
    onEvent: (sent) => {
      record.events = sent;
    },
  }).finally(() => {
    record.playing = false;
  });
}
