import type { Passage } from './flows/passages.ts';
import type { MessageTree } from './message-tree.ts';

/** What a conversation needs to go on, and its files to be found. */
export interface Conversation {
  readonly id: string;
  readonly owner: string;
  /** Its files can be had, but it cannot be continued. */
  readonly temporary: boolean;
  /** Messages that can be a parent: all that were sent or shown, and the root. */
  readonly messageIds: Set<string>;
  readonly tree: MessageTree;
  readonly prompts: string[];
  /** The answer that was broken off, if the last one was. */
  unfinished: UnfinishedAnswer | null;
}

export interface UnfinishedAnswer {
  readonly messageId: string;
  readonly said: readonly Passage[];
  readonly rest: readonly Passage[];
}

/** The newest conversations; older ones are forgotten. */
export interface ConversationStore {
  save(conversation: Conversation): void;
  find(id: string): Conversation | undefined;
  readonly size: number;
}

export function createConversationStore(maxConversations: number): ConversationStore {
  const kept = new Map<string, Conversation>();
  return {
    save(conversation) {
      kept.delete(conversation.id);
      kept.set(conversation.id, conversation);
      const [oldest] = kept.keys();
      if (kept.size > maxConversations && oldest !== undefined) kept.delete(oldest);
    },
    find: (id) => kept.get(id),
    get size() {
      return kept.size;
    },
  };
}
