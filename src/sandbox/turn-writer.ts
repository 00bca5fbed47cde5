import type { ConversationBody } from './conversation-body.ts';
import type { Conversation, UnfinishedAnswer } from './conversation-store.ts';
import { describeAttachments } from './files/attachments.ts';
import { chooseFlow } from './flows/choose-flow.ts';
import { nothingBefore, type Flow } from './flows/flow.ts';
import { cutPassages, halfOf, type Passage } from './flows/passages.ts';
import type { Scene } from './flows/scene.ts';
import { keepFile, keepMentions } from './keep-file.ts';
import { toRawSteps } from './raw-script.ts';
import type { Scenario } from './scenario.ts';
import type { Script, Step } from './script.ts';
import { toTurnSteps } from './turn-steps.ts';
import type { World } from './world.ts';

export interface TurnOrder {
  readonly world: World;
  readonly scenario: Scenario;
  readonly body: ConversationBody;
  readonly conversation: Conversation;
  /** The model that answers. */
  readonly model: string;
  readonly prompt: string;
}

/** Decides what a turn says, remembers what is left of it, and returns its script. */
export function writeTurn(order: TurnOrder): Script {
  const { world, scenario, body, conversation, prompt } = order;
  const scene = toScene(order);
  world.conversations.save(conversation);
  for (const { id } of body.messages) conversation.messageIds.add(id);
  const steps = scenario.script === null ? planTurn(order, scene) : playScript(order, scene, scenario.script);
  conversation.prompts.push(prompt);
  conversation.tree.moveTo(body.parentMessageId);
  return { conversationId: conversation.id, steps: remember(world, conversation, steps) };
}

function playScript(
  { world, conversation }: TurnOrder,
  scene: Scene,
  script: NonNullable<Scenario['script']>,
) {
  keepMentions(world, conversation, script);
  return toRawSteps(scene, script);
}

function planTurn(order: TurnOrder, scene: Scene): Iterable<Step> {
  const { world, scenario, body, conversation, prompt } = order;
  const unfinished = body.action === 'continue' ? conversation.unfinished : null;
  const id = unfinished?.messageId ?? world.random.uuid();
  const flow = findFlow(order, unfinished);
  const pieces = unfinished?.rest ?? piecesOf(order, flow);
  const before = unfinished?.said ?? [];
  const said = scenario.finish === 'stop' ? pieces : halfOf(pieces);
  const rest = pieces.slice(said.length);
  conversation.unfinished = rest.length === 0 ? null : { messageId: id, said: [...before, ...said], rest };

  const brokenOff = scenario.moderationBlocked || flow.blocked === true;
  const { finish, onlyFinishedMessage } = scenario;
  const passages = brokenOff ? halfOf(said) : said;
  return toTurnSteps({
    scene,
    echoes: body.messages.filter((message) => message.role === 'user'),
    before: flow.before,
    endsEarly: flow.endsEarly === true,
    speech: { id, before, passages, finish, onlyFinishedMessage, brokenOff, channel: flow.channel ?? null },
    title: body.conversationId === null && !body.temporary ? toTitle(prompt) : null,
  });
}

/** An answer that goes on, or that the scenario sets, needs nothing before it. */
function findFlow({ scenario, body, model, prompt }: TurnOrder, unfinished: UnfinishedAnswer | null): Flow {
  const plain =
    unfinished !== null || (scenario.flow === null && (scenario.answer !== null || scenario.emptyAnswer));
  if (plain) return { before: nothingBefore, answer: () => [] };
  return chooseFlow(scenario.flow, { prompt, model, hints: body.hints });
}

function piecesOf(order: TurnOrder, flow: Flow): readonly Passage[] {
  const { answer, emptyAnswer, tokensPerEvent } = order.scenario;
  if (emptyAnswer) return [];
  if (answer !== null && typeof answer !== 'string') return answer;
  return cutPassages(answer === null ? answerOf(order, flow) : [answer], tokensPerEvent);
}

function answerOf({ world, body, conversation, prompt }: TurnOrder, flow: Flow): readonly Passage[] {
  const seen = describeAttachments(world.files, body.messages);
  const recalled = ASKS_BACK.test(prompt) ? conversation.prompts.at(-1) : undefined;
  const answer = recalled === undefined ? flow.answer(prompt) : [`You said: “${recalled}”`];
  return seen === '' ? answer : [seen, ...answer];
}

const ASKS_BACK = /\bwhat did I (?:just )?(?:say|ask)\b/i;

function toScene({ world, scenario, body, conversation, model, prompt }: TurnOrder): Scene {
  return {
    model,
    gizmoId: body.gizmoId,
    parentId: body.messages.at(-1)?.id ?? body.parentMessageId,
    messageType: body.action,
    requestId: world.random.uuid(),
    createdAtS: world.now() / 1000,
    prompt,
    drawingMs: scenario.drawingMs,
    newId: () => world.random.uuid(),
    keep: (file) => keepFile(world, conversation, file),
  };
}

/** Messages can be read, and named as parents, as soon as they were shown. */
function* remember(world: World, { messageIds, tree }: Conversation, steps: Iterable<Step>): Generator<Step> {
  for (const step of steps) {
    if (step.kind === 'message' || step.kind === 'late') messageIds.add(step.message.id);
    if (step.kind === 'message') tree.put(step.message);
    if (step.kind === 'late') tree.putLater(step.message, world.now() + (step.afterMs ?? Infinity));
    yield step;
  }
}

export function toTitle(prompt: string): string {
  const title = prompt.trim().split(/\s+/).slice(0, 5).join(' ');
  return title === '' ? 'New chat' : title;
}
