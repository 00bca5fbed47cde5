import type { Base } from './callers.ts';
import { parseConversationBody, textOf, type ConversationBody } from './conversation-body.ts';
import type { UnfinishedAnswer } from './conversation-store.ts';
import { encodeDelta, encodeDeltaError } from './delta-stream.ts';
import type { Exchange, Handler } from './exchange.ts';
import { admit, passEdge, playError, refuse } from './gate.ts';
import { encodeLegacy, encodeLegacyError } from './legacy-stream.ts';
import { isKnownModel, toServedModel } from './models.ts';
import { playStream } from './play-stream.ts';
import { detail, RefusedError } from './refusals.ts';
import type { Scenario } from './scenario.ts';
import type { Script } from './script.ts';
import { checkSentinel } from './sentinel-check.ts';
import { writeTurn } from './turn-writer.ts';
import { createWire } from './wire.ts';
import type { World } from './world.ts';

/** `POST {base}/conversation`: one turn, answered with a stream of events. */
export function createConversationHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'conversation');
    if (scenario === null) return;
    const caller = admit(world, exchange, base, true);
    const body = readTurn(world, exchange);
    clear(world, exchange, base, scenario);
    if (world.strict && !isKnownModel(body.model)) refuse(world, 'model_not_found', body.model);
    const unfinished = findUnfinished(world, body);
    playError(world, scenario, 'conversation', body.model);

    const model = toServedModel(body.model, scenario.persona ?? caller);
    const script = writeTurn({ world, scenario, body, model, prompt: promptOf(body), unfinished });
    await stream(world, exchange, scenario, script, body.encodings);
  };
}

function readTurn(world: World, exchange: Exchange): ConversationBody {
  const parsed = parseConversationBody(exchange.body.json);
  if (!parsed.ok) throw new RefusedError(detail(422, parsed.problems));
  if (parsed.chars > world.maxMessageChars) refuse(world, 'message_too_long');
  return parsed.body;
}

function clear(world: World, exchange: Exchange, base: Base, scenario: Scenario): void {
  if (!world.strict || !scenario.checkSentinel) return;
  const verdict = checkSentinel(world, exchange.request.headers, base);
  if (verdict.kind === 'login-required') return refuse(world, 'unauthorized');
  if (verdict.kind === 'passed') {
    exchange.record.warnings.push(...verdict.warnings);
    return;
  }
  exchange.record.warnings.push(verdict.problem);
  refuse(world, 'unusual_activity');
}

/**
 * The broken-off answer that `continue` asks for. A strict sandbox knows its conversations and
 * refuses others; a lenient one believes the caller.
 */
function findUnfinished(world: World, body: ConversationBody): UnfinishedAnswer | null {
  if (body.conversationId === null) return null;
  const known = world.conversations.find(body.conversationId);
  if (world.strict && known === undefined) refuse(world, 'conversation_not_found');
  if (body.action !== 'continue') return null;
  if (known?.unfinished?.messageId !== body.parentMessageId) refuse(world, 'conversation_not_found');
  return known.unfinished;
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
  record.playing = true;
  const ending = await playStream({
    frames: encoding === 'v1' ? encodeDelta(script) : encodeLegacy(script),
    errorFrame: encoding === 'v1' ? encodeDeltaError(script, scenario) : encodeLegacyError(script, scenario),
    scenario,
    wire,
    onEvent: (sent) => {
      record.events = sent;
    },
  }).finally(() => {
    record.playing = false;
  });
  if (ending !== 'cut') return;
  world.recorder.markCut(record);
  await wire.cut();
}
