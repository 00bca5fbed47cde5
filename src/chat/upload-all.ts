import type { Attachment, Turn, UploadedFile } from '../conversation/turn.ts';
import type { ChatPorts, Session } from './ports.ts';

/** Of one turn; the files of a turn share one way out. */
const UPLOADS_AT_ONCE = 4;

/** All files of the question, a few at a time. The first failure is the result; `signal` stops the others. */
export async function uploadAll(
  { attach }: Pick<ChatPorts, 'attach'>,
  session: Session,
  turn: Turn,
  signal: AbortSignal,
): Promise<ReadonlyMap<Attachment, UploadedFile>> {
  const uploads = new Map<Attachment, UploadedFile>();
  const waiting = attachmentsOf(turn).values();
  // All take from the same line.
  const work = async (): Promise<void> => {
    for (const attachment of waiting) uploads.set(attachment, await attach(session, attachment, signal));
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, work));
  return uploads;
}

function attachmentsOf({ messages }: Turn): ReadonlySet<Attachment> {
  const parts = messages.flatMap((message) => message.parts);
  return new Set(parts.flatMap((part) => (part.type === 'attachment' ? [part.attachment] : [])));
}
