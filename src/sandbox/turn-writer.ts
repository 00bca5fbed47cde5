import { composeAnswer } from './answers.ts';
import type { ConversationBody } from './conversation-body.ts';
import type { UnfinishedAnswer } from './conversation-store.ts';
import { cutIntoPieces } from './pieces.ts';
import type { Scenario } from './scenario.ts';
import type { Script } from './script.ts';
import { halfOf, scriptTextTurn } from './text-turn.ts';
import type { World } from './world.ts';

export interface TurnOrder {
  readonly world: World;
  readonly scenario: Scenario;
  readonly body: ConversationBody;
  /** The model that answers. */
  readonly model: string;
  readonly prompt: string;
  /** The answer that `continue` goes on with. */
  readonly unfinished: UnfinishedAnswer | null;
}

/** Decides what a turn says, remembers what is left of it, and returns its script. */
export function writeTurn(order: TurnOrder): Script {
  const { world, scenario, body, unfinished } = order;
  const conversationId = body.conversationId ?? world.random.uuid();
  const answerId = unfinished?.messageId ?? world.random.uuid();
  const all = unfinished?.rest ?? answerPieces(order);
  const pieces = scenario.finish === 'stop' ? all : halfOf(all);
  const textBefore = unfinished?.text ?? '';

  const rest = all.slice(pieces.length);
  world.conversations.save({
    id: conversationId,
    unfinished: rest.length === 0 ? null : { messageId: answerId, text: textBefore + pieces.join(''), rest },
  });
  return { conversationId, steps: scriptTextTurn({ ...toTurn(order, answerId), textBefore, pieces }) };
}

function toTurn({ world, scenario, body, model, prompt }: TurnOrder, answerId: string) {
  return {
    systemId: world.random.uuid(),
    answerId,
    requestId: world.random.uuid(),
    parentId: body.messages.at(-1)?.id ?? body.parentMessageId,
    model,
    gizmoId: body.gizmoId,
    messageType: body.action,
    echoes: body.messages.filter((message) => message.role === 'user'),
    finish: scenario.finish,
    onlyFinishedMessage: scenario.onlyFinishedMessage,
    moderationBlocked: scenario.moderationBlocked,
    title: body.conversationId === null && !body.temporary ? toTitle(prompt) : null,
    createdAtS: world.now() / 1000,
  };
}

function answerPieces({ scenario, prompt }: TurnOrder): readonly string[] {
  if (scenario.emptyAnswer) return [];
  if (scenario.answer !== null && typeof scenario.answer !== 'string') return scenario.answer;
  return cutIntoPieces(scenario.answer ?? composeAnswer(prompt), scenario.tokensPerEvent);
}

function toTitle(prompt: string): string {
  const title = prompt.trim().split(/\s+/).slice(0, 5).join(' ');
  return title === '' ? 'New chat' : title;
}
