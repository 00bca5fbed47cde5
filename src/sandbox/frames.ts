import type { Scenario } from './scenario.ts';
import type { Script } from './script.ts';

/** One event of a stream, as its lines without line ends. `done` is the terminator. */
export interface Frame {
  readonly kind: 'event' | 'done';
  readonly lines: readonly string[];
  /** Waits its turn at the pace of a model; the others follow at once. */
  readonly paced: boolean;
}

export const DONE: Frame = { kind: 'done', lines: ['data: [DONE]'], paced: false };

/** An event without a name. */
export function dataFrame(value: unknown, paced = false): Frame {
  return { kind: 'event', lines: [`data: ${JSON.stringify(value)}`], paced };
}

/** The envelope of an error inside a stream that began well. */
export function toErrorEnvelope(script: Script, scenario: Scenario): object {
  return { message: null, conversation_id: script.conversationId, error: scenario.errorEventText };
}
