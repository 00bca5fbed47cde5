import { ChatError } from '../errors.ts';
import type { Attachment, UploadedFile } from '../conversation/turn.ts';
import { readImageHeader } from '../images/image-header.ts';
import type { OpenFile } from './file-source.ts';
import { canonicalMimeType, extensionOf, mimeTypeOfName, useCaseOf } from './protocol/file-types.ts';

type Description = Omit<UploadedFile, 'id'>;

/** Said by servers that do not know. */
const GENERIC_MIME_TYPES: ReadonlySet<string> = new Set(['application/octet-stream', 'binary/octet-stream']);

/** What the backend is told about a file. A picture that cannot be read is `invalid_attachment`. */
export function describeFile(attachment: Attachment, file: OpenFile, newId: () => string): Description {
  const image = readImageHeader(file.head);
  const named = attachment.mimeType ?? file.mimeType ?? '';
  const isNamed = named !== '' && !GENERIC_MIME_TYPES.has(named);
  const guessed = image?.mimeType ?? mimeTypeOfName(nameOf(attachment)) ?? 'application/octet-stream';
  const claimed = canonicalMimeType(isNamed ? named : guessed);
  const isImage = claimed.startsWith('image/');
  if (isImage && image === null) refuseUnreadable(claimed, attachment.param);
  // The backend shows no other images to the model; a drawing such as SVG can be read as text.
  const mimeType = isImage && image === null ? 'text/plain' : claimed;
  return {
    name: newId() + extensionOf(mimeType),
    mimeType,
    sizeBytes: file.sizeBytes,
    width: isImage ? (image?.width ?? null) : null,
    height: isImage ? (image?.height ?? null) : null,
  };
}

function nameOf({ name, source }: Attachment): string {
  return name ?? (source.kind === 'url' ? new URL(source.url).pathname : '');
}

function refuseUnreadable(mimeType: string, param: string): void {
  if (useCaseOf(mimeType) !== 'multimodal') return;
  throw new ChatError(
    'invalid_attachment',
    `The attachment in '${param}' is no ${mimeType} that can be read.`,
    {
      param,
    },
  );
}

/** Does the backend read it before it can answer about it? */
export function isIndexed({ mimeType, width }: Description): boolean {
  return width === null && useCaseOf(mimeType) === 'my_files';
}
