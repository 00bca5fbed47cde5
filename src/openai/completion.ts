import type { EndReason } from '../conversation/events.ts';
import type { AnswerHead, HistoryIds } from './chunk.ts';
import type { Usage } from './usage.ts';

/** One finished answer; its place in the list is its index. */
export interface Choice {
  readonly text: string;
  /** What the model thought; '': nothing that it told. */
  readonly reasoning: string;
  readonly reason: EndReason;
}

export interface CompletionBody {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly CompletionChoice[];
  readonly usage: Usage;
  readonly system_fingerprint: null;
  readonly conversation_id?: string;
  readonly message_id?: string;
}

interface CompletionChoice {
  readonly index: number;
  readonly message: {
    readonly role: 'assistant';
    readonly content: string;
    readonly refusal: null;
    readonly reasoning_content?: string;
  };
  readonly logprobs: null;
  readonly finish_reason: EndReason;
}

/** The body of an answer that is not streamed. `kept`: the ids of the first choice; null for temporary chats. */
export function toCompletion(
  head: AnswerHead,
  choices: readonly Choice[],
  usage: Usage,
  kept: HistoryIds | null,
): CompletionBody {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: choices.map(toCompletionChoice),
    usage,
    system_fingerprint: null,
    ...(kept !== null && kept.conversationId !== null && { conversation_id: kept.conversationId }),
    ...(kept !== null && kept.messageId !== null && { message_id: kept.messageId }),
  };
}

function toCompletionChoice({ text, reasoning, reason }: Choice, index: number): CompletionChoice {
  return {
    index,
    message: {
      role: 'assistant',
      content: text,
      refusal: null,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
    },
    logprobs: null,
    finish_reason: reason,
  };
}
