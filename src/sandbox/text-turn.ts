import type { InputMessage } from './conversation-body.ts';
import type { JsonObject } from './json-shape.ts';
import type { Finish } from './scenario.ts';
import type { Message, Step } from './script.ts';

/** All that a turn answered with plain text says. */
export interface TextTurn {
  readonly systemId: string;
  readonly answerId: string;
  readonly requestId: string;
  readonly parentId: string;
  readonly model: string;
  readonly gizmoId: string | null;
  readonly messageType: 'next' | 'continue' | 'variant';
  readonly echoes: readonly InputMessage[];
  /** Text of the answer that an earlier turn gave already. */
  readonly textBefore: string;
  readonly pieces: readonly string[];
  readonly finish: Finish;
  readonly onlyFinishedMessage: boolean;
  /** Half-way through, the answer is taken back. */
  readonly moderationBlocked: boolean;
  /** Null: none is made up. */
  readonly title: string | null;
  /** Epoch seconds with a fraction. */
  readonly createdAtS: number;
}

const STOP_TOKEN = 200_002;

/** The steps of a turn: hidden system message, echoes, growing answer, finished answer, what goes beside it. */
export function* scriptTextTurn(turn: TextTurn): Generator<Step> {
  yield { kind: 'message', message: hiddenSystem(turn), paced: false };
  for (const echo of turn.echoes) yield { kind: 'message', message: toEcho(turn, echo), paced: false };
  // One object for all that stays, so that revisions are compared by identity.
  const opening = growing(turn, turn.textBefore);
  if (!turn.onlyFinishedMessage) {
    yield { kind: 'message', message: opening, paced: false };
    yield { kind: 'first-token', messageId: turn.answerId };
  }
  const said = turn.moderationBlocked ? halfOf(turn.pieces) : turn.pieces;
  const text = turn.textBefore + said.join('');
  if (!turn.onlyFinishedMessage) {
    // Slices of the whole text: adding piece to piece would copy the text for every comparison.
    let length = turn.textBefore.length;
    for (const piece of said) {
      length += piece.length;
      yield {
        kind: 'message',
        message: { ...opening, content: toContent(text.slice(0, length)) },
        paced: true,
      };
    }
  }
  yield* scriptEnding(turn, text);
}

/** The first half of the pieces: what is said before an answer is broken off. */
export function halfOf(pieces: readonly string[]): readonly string[] {
  return pieces.slice(0, Math.ceil(pieces.length / 2));
}

function* scriptEnding(turn: TextTurn, text: string): Generator<Step> {
  const { answerId, model, title } = turn;
  if (turn.moderationBlocked) {
    yield { kind: 'moderation', messageId: answerId, blocked: true };
    return;
  }
  yield { kind: 'message', message: finished(turn, text), paced: false };
  yield { kind: 'moderation', messageId: answerId, blocked: false };
  yield { kind: 'complete', messageId: answerId, model };
  if (title !== null) yield { kind: 'title', title };
  yield { kind: 'limits', model };
}

function growing(turn: TextTurn, text: string): Message {
  return {
    id: turn.answerId,
    author: { role: 'assistant', name: null, metadata: {} },
    create_time: turn.createdAtS,
    update_time: null,
    content: toContent(text),
    status: 'in_progress',
    end_turn: null,
    weight: 1,
    metadata: {
      citations: [],
      gizmo_id: turn.gizmoId,
      message_type: turn.messageType,
      model_slug: turn.model,
      default_model_slug: turn.model,
      parent_id: turn.parentId,
      model_switcher_deny: [],
    },
    recipient: 'all',
    channel: null,
  };
}

function toContent(text: string): JsonObject {
  return { content_type: 'text', parts: [text] };
}

function finished(turn: TextTurn, text: string): Message {
  const message = growing(turn, text);
  return {
    ...message,
    status: turn.finish === 'interrupted' ? 'finished_partial_completion' : 'finished_successfully',
    end_turn: true,
    metadata: {
      ...message.metadata,
      finish_details: toFinishDetails(turn.finish),
      is_complete: true,
      request_id: turn.requestId,
      timestamp_: 'absolute',
    },
  };
}

function toFinishDetails(finish: Finish): JsonObject {
  return finish === 'stop' ? { type: 'stop', stop_tokens: [STOP_TOKEN] } : { type: finish };
}

function hiddenSystem(turn: TextTurn): Message {
  return {
    ...growing(turn, ''),
    id: turn.systemId,
    author: { role: 'system', name: null, metadata: {} },
    status: 'finished_successfully',
    end_turn: true,
    weight: 0,
    metadata: { is_visually_hidden_from_conversation: true },
  };
}

function toEcho(turn: TextTurn, message: InputMessage): Message {
  return {
    ...growing(turn, ''),
    id: message.id,
    author: { role: message.role, name: null, metadata: {} },
    content: message.content,
    status: 'finished_successfully',
    metadata: { ...message.metadata, request_id: turn.requestId, timestamp_: 'absolute', message_type: null },
  };
}
