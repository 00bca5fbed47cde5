import type { Asset, PendingDrawing } from '../conversation/events.ts';
import { ChatError } from '../errors.ts';
import type { Answer } from './answer.ts';
import type { ChatPorts, Session } from './ports.ts';

const MISSING = 'The picture was announced, but it did not come.';

/**
 * After a stream's end: upstream has put a picture off. The answer waits for it, and ends with it; a picture that
 * never comes is told in a sentence.
 *
 * Rejects with upstream_protocol_error when the picture would have been the whole answer, or with the
 * signal's reason.
 */
export async function awaitDrawing(
  pending: PendingDrawing,
  answer: Answer,
  ports: Pick<ChatPorts, 'drawing' | 'link'>,
  session: Session,
  signal: AbortSignal,
): Promise<void> {
  // It may take minutes: the client gets headers now, and a sign of life now and then.
  answer.accepted();
  const drawing = await ports.drawing(session, pending, signal);
  if (drawing === null) tellMissing(answer);
  else {
    const { conversationId } = pending;
    const links = await linksOf(drawing.pictures, ports, session, signal);
    answer.write({ type: 'message-start', conversationId, messageId: drawing.messageId });
    // So few and short that a slow client need not be waited for.
    for (const link of links) if (!answer.satisfied) answer.write({ type: 'image', link });
  }
  if (!answer.satisfied) answer.endDrawing();
}

function tellMissing(answer: Answer): void {
  // Another attempt would begin a drawing of its own, and wait for it as long.
  if (!answer.decoder.hasContent) throw nothingDrawn();
  answer.write({ type: 'message-break' });
  answer.write({ type: 'text-delta', text: MISSING });
}

function linksOf(
  pictures: readonly Asset[],
  { link }: Pick<ChatPorts, 'link'>,
  session: Session,
  signal: AbortSignal,
): Promise<readonly (string | null)[]> {
  return Promise.all(pictures.map((picture) => link(session, picture, signal)));
}

function nothingDrawn(): ChatError {
  return new ChatError(
    'upstream_protocol_error',
    'Upstream put the drawing off, and then no picture could be had. Try again; in a chat that is kept (history_disabled false) it can be looked for longer.',
    { retryable: false },
  );
}
