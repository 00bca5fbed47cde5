import type { FlowSource, Place } from './answer-flow.ts';
import type { WireMessage } from './wire.ts';

/** Follows one message as it grows and says what is new of it. */
export interface MessageReader extends FlowSource {
  /** How much of the message's text, in UTF-16 units, it will never look at again. */
  readonly taken: number;
  /**
   * Reads the message after it changed. `appended`: only this was added to its text since the last
   * call; null: compare. True: it said something new.
   */
  read(message: WireMessage, appended: string | null, place: Place): boolean;
}
