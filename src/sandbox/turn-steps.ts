import type { InputMessage } from './conversation-body.ts';
import type { Flow } from './flows/flow.ts';
import { begin, show, type Scene } from './flows/scene.ts';
import { speak, type Speech } from './flows/speak.ts';
import type { Message, Step } from './script.ts';

/** All that a turn says. */
export interface TurnPlan {
  readonly scene: Scene;
  readonly echoes: readonly InputMessage[];
  readonly before: Flow['before'];
  readonly speech: Speech;
  /** There is no speech, and nothing beside it. */
  readonly endsEarly: boolean;
  /** Null: none is made up. */
  readonly title: string | null;
}

/** The steps of a turn: hidden system message, echoes, what the flow does, the answer, what goes beside it. */
export function* toTurnSteps(plan: TurnPlan): Generator<Step> {
  const { scene, echoes, before, speech, title } = plan;
  yield show(hiddenSystem(scene));
  for (const echo of echoes) yield show(toEcho(scene, echo));
  yield* before(scene);
  if (plan.endsEarly) return;
  yield* speak(scene, speech);
  yield { kind: 'moderation', messageId: speech.id, blocked: speech.brokenOff };
  if (speech.brokenOff) return;
  yield { kind: 'complete', messageId: speech.id, model: scene.model };
  if (title !== null) yield { kind: 'title', title };
  yield { kind: 'limits', model: scene.model };
}

function hiddenSystem(scene: Scene): Message {
  return {
    ...begin(scene),
    author: { role: 'system', name: null, metadata: {} },
    status: 'finished_successfully',
    end_turn: true,
    weight: 0,
    metadata: { is_visually_hidden_from_conversation: true },
  };
}

function toEcho(scene: Scene, message: InputMessage): Message {
  return {
    ...begin(scene, { id: message.id }),
    author: { role: message.role, name: null, metadata: {} },
    content: message.content,
    status: 'finished_successfully',
    metadata: {
      ...message.metadata,
      request_id: scene.requestId,
      timestamp_: 'absolute',
      message_type: null,
    },
  };
}
