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
    const { deviceId = session.deviceId } = clearance;
    const verdict = (failure: ChatError | null): void => learn(session, clearance, failure);
    return converse({ ...session, deviceId }, ask, clearance, watchBeginning(reader, verdict));
  };
}

/** Of the request, and not of what it asks (moderation), which no other attempt could cure. */
function isRefusal({ code, retryable }: ChatError): boolean {
  return code === 'upstream_refused' && retryable;
}

/** What happens after the stream has opened is no verdict on the clearance. */
function watchBeginning(reader: StreamReader, verdict: (failure: ChatError | null) => void): StreamReader {
  let isOpen = false;
  return {
    onOpen() {
      isOpen = true;
      verdict(null);
      return reader.onOpen() ?? reader;
    },
    onBytes: (chunk) => reader.onBytes(chunk),
    onEnd: () => reader.onEnd(),
    onFailure(error) {
      if (!isOpen) verdict(error);
      reader.onFailure(error);
    },
  };
}
