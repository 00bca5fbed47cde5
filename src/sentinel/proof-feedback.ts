import type { ChatPorts, Clearance, Session, StreamReader } from '../chat/ports.ts';
import type { ChatError } from '../errors.ts';
import type { SearchOrder } from './search-order.ts';

export interface ProofFeedbackOptions {
  readonly converse: ChatPorts['converse'];
  readonly searchOrder: Pick<SearchOrder, 'observe'>;
  /** The backend turned the session's turn down, for the account's sake or the address's. */
  readonly onRefused: (session: Session) => void;
}

/** The conversation call, whose beginning tells what the backend thought of the clearance. */
export function createProofFeedback(options: ProofFeedbackOptions): ChatPorts['converse'] {
  const { converse, searchOrder, onRefused } = options;

  const learn = (session: Session, { search }: Clearance, failure: ChatError | null): void => {
    if (failure?.fault === 'account' || failure?.fault === 'address') onRefused(session);
    if (search === undefined) return;
    if (failure === null) searchOrder.observe(session.origin, search, 'accepted');
    else if (isRefusal(failure)) searchOrder.observe(session.origin, search, 'refused');
  };

  return (session, ask, clearance, reader) => {
    const { deviceId } = clearance;
    const asked = deviceId === undefined ? session : { ...session, deviceId };
    const verdict = (failure: ChatError | null): void => learn(session, clearance, failure);
    return converse(asked, ask, clearance, new Beginning(reader, verdict));
  };
}

/** Of the request, and not of what it asks (moderation), which no other attempt could cure. */
function isRefusal({ code, retryable }: ChatError): boolean {
  return code === 'upstream_refused' && retryable;
}

/** Passes a stream on. What happens after it has opened is no verdict on the clearance. */
class Beginning implements StreamReader {
  readonly #reader: StreamReader;
  readonly #verdict: (failure: ChatError | null) => void;
  #isOpen = false;

  constructor(reader: StreamReader, verdict: (failure: ChatError | null) => void) {
    this.#reader = reader;
    this.#verdict = verdict;
  }

  onOpen(): StreamReader {
    this.#isOpen = true;
    this.#verdict(null);
    return this.#reader.onOpen() ?? this.#reader;
  }

  onBytes(chunk: Uint8Array): void {
    this.#reader.onBytes(chunk);
  }

  onEnd(): void {
    this.#reader.onEnd();
  }

  onFailure(error: ChatError): void {
    if (!this.#isOpen) this.#verdict(error);
    this.#reader.onFailure(error);
  }
}
