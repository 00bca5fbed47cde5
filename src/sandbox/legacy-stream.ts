import { dataFrame, DONE, toErrorEnvelope, type Frame } from './frames.ts';
import type { Scenario } from './scenario.ts';
import { stepsFor, toDocument, type Script, type Step } from './script.ts';

/** The encoding in which every event is the whole message so far. */
export function* encodeLegacy(script: Script): Generator<Frame> {
  for (const step of stepsFor(script, 'legacy')) {
    const frame = encodeStep(script, step);
    if (frame !== null) yield frame;
  }
  yield DONE;
}

export function encodeLegacyError(script: Script, scenario: Scenario): Frame {
  return dataFrame(toErrorEnvelope(script, scenario));
}

function encodeStep(script: Script, step: Step): Frame | null {
  const conversation_id = script.conversationId;
  switch (step.kind) {
    case 'message':
      return dataFrame(toDocument(script, step.message), step.paced);
    case 'raw':
      return dataFrame(step.value);
    case 'title':
      return dataFrame({ type: 'title_generation', title: step.title, conversation_id });
    case 'moderation':
      return dataFrame(encodeModeration(step.messageId, step.blocked, conversation_id));
    case 'late':
    case 'first-token':
    case 'complete':
    case 'limits':
      return null;
  }
}

/** Clients take any typed moderation event for a block, so only blocked text gets one. */
function encodeModeration(messageId: string, blocked: boolean, conversationId: string): object {
  return {
    ...(blocked ? { type: 'moderation' } : {}),
    conversation_id: conversationId,
    message_id: messageId,
    is_completion: true,
    moderation_response: { flagged: blocked, blocked, moderation_id: `modr-${messageId}` },
  };
}
