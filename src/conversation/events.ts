/** Why an answer ended, in OpenAI's words. */
export type EndReason = 'stop' | 'length' | 'content_filter';

/** The backend began to answer; comes once, before any other event of the turn. */
export interface TurnStart {
  readonly type: 'turn-start';
  readonly conversationId: string | null;
  readonly messageId: string | null;
}

/** More text of the answer. Deltas joined are the answer; none is empty. */
export interface TextDelta {
  readonly type: 'text-delta';
  readonly text: string;
}

/** The answer is complete; comes once and last. A failed turn throws and has no end. */
export interface TurnEnd {
  readonly type: 'turn-end';
  readonly reason: EndReason;
}

export type TurnEvent = TurnStart | TextDelta | TurnEnd;
