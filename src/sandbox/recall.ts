import { isSameOwner } from './callers.ts';
import type { ConversationBody } from './conversation-body.ts';
import type { Conversation } from './conversation-store.ts';
import { refuse } from './gate.ts';
import { createMessageTree } from './message-tree.ts';
import type { World } from './world.ts';

/**
 * The conversation that a turn belongs to: a new one, or the caller's own at a message it has.
 * Everything else is not found by a strict sandbox; a lenient one believes the caller.
 */
export function recallConversation(world: World, owner: string, body: ConversationBody): Conversation {
  if (body.conversationId === null) return startConversation(world.random.uuid(), owner, body);
  const known = world.conversations.find(body.conversationId);
  if (known !== undefined && isContinued(known, owner, body)) return known;
  if (world.strict || body.action === 'continue') refuse(world, 'conversation_not_found');
  return known ?? startConversation(body.conversationId, owner, body);
}

function isContinued(known: Conversation, owner: string, body: ConversationBody): boolean {
  // A temporary chat is asked nothing more once it was left, but an answer that was cut there goes on.
  if (known.temporary && body.action !== 'continue') return false;
  if (!isSameOwner(known.owner, owner)) return false;
  if (!known.messageIds.has(body.parentMessageId)) return false;
  if (body.action === 'continue') return known.unfinished?.messageId === body.parentMessageId;
  // A variant answers once more what was asked before.
  return body.action !== 'variant' || body.messages.every(({ id }) => known.messageIds.has(id));
}

function startConversation(id: string, owner: string, body: ConversationBody): Conversation {
  return {
    id,
    owner,
    temporary: body.temporary,
    messageIds: new Set([body.parentMessageId]),
    tree: createMessageTree(body.parentMessageId),
    prompts: [],
    unfinished: null,
  };
}
