/** What a conversation needs to go on. */
interface Conversation {
  readonly id: string;
  /** The answer that was broken off, if the last one was. */
  readonly unfinished: UnfinishedAnswer | null;
}

export interface UnfinishedAnswer {
  readonly messageId: string;
  readonly text: string;
  readonly rest: readonly string[];
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
