import type { Attachment, Turn, UploadedFile } from '../conversation/turn.ts';
import { together } from '../together.ts';
import type { ChatPorts, Clearance, Session } from './ports.ts';

/** Of one turn; the files of a turn share one way out. */
const UPLOADS_AT_ONCE = 4;

type Uploads = ReadonlyMap<Attachment, UploadedFile>;

export const NO_UPLOADS: Uploads = new Map();

/** Nearly no turn has any: then there is nothing to keep together, which with a signal of its own costs 19 us. */
export function hasAttachments({ messages }: Turn): boolean {
  return messages.some(({ parts }) => parts.some(({ type }) => type === 'attachment'));
}

/** Upstream's challenges are answered while the question's files go up. The first failure stops the rest. */
export function clearAndUpload(
  ports: Pick<ChatPorts, 'clear' | 'attach'>,
  session: Session,
  turn: Turn,
  signal: AbortSignal,
): Promise<[Clearance, Uploads]> {
  return together(signal, (either) => [
    ports.clear(session, turn, either),
    uploadAll(ports, session, attachmentsOf(turn), either),
  ]);
}

/** A few at a time. The first failure is the result; `signal` stops the others. */
async function uploadAll(
  { attach }: Pick<ChatPorts, 'attach'>,
  session: Session,
  attachments: ReadonlySet<Attachment>,
  signal: AbortSignal,
): Promise<Uploads> {
  const uploads = new Map<Attachment, UploadedFile>();
  const waiting = attachments.values();
  // All take from the same line.
  const work = async (): Promise<void> => {
    for (const attachment of waiting) uploads.set(attachment, await attach(session, attachment, signal));
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, work));
  return uploads;
}

function attachmentsOf({ messages }: Turn): ReadonlySet<Attachment> {
  const found = new Set<Attachment>();
  for (const { parts } of messages) {
    for (const part of parts) if (part.type === 'attachment') found.add(part.attachment);
  }
  return found;
}
