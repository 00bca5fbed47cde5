/** What the backend does with a file: look at it, search in it, or hand it to its tools. */
export type UseCase = 'multimodal' | 'my_files' | 'ace_upload';

type Row = readonly [mimeType: string, extension: string, useCase: UseCase];

/** Everything else goes to the tools, without an extension. The first row of an extension is its type. */
const FILE_TYPES: readonly Row[] = [
  ['image/jpeg', 'jpg', 'multimodal'],
  ['image/png', 'png', 'multimodal'],
  ['image/webp', 'webp', 'multimodal'],
  ['image/gif', 'gif', 'multimodal'],
  ['text/plain', 'txt', 'my_files'],
  ['text/markdown', 'md', 'my_files'],
  ['text/html', 'html', 'my_files'],
  ['application/json', 'json', 'my_files'],
  ['application/pdf', 'pdf', 'my_files'],
  ['application/msword', 'doc', 'my_files'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx', 'my_files'],
  ['application/vnd.openxmlformats-officedocument.presentationml.presentation', 'pptx', 'my_files'],
  ['text/javascript', 'js', 'my_files'],
  ['text/x-typescript', 'ts', 'my_files'],
  ['text/x-c', 'c', 'my_files'],
  ['text/x-c++', 'cpp', 'my_files'],
  ['text/x-csharp', 'cs', 'my_files'],
  ['text/x-java', 'java', 'my_files'],
  ['text/x-php', 'php', 'my_files'],
  ['text/x-ruby', 'rb', 'my_files'],
  ['text/x-script.python', 'py', 'my_files'],
  ['text/x-sh', 'sh', 'my_files'],
  ['text/x-tex', 'tex', 'my_files'],
  // Misspelt by the backend itself.
  ['application/x-latext', 'latex', 'my_files'],
  ['image/bmp', 'bmp', 'ace_upload'],
  ['image/svg+xml', 'svg', 'ace_upload'],
  ['image/tiff', 'tiff', 'ace_upload'],
  ['image/heic', 'heic', 'ace_upload'],
  ['image/avif', 'avif', 'ace_upload'],
  ['text/csv', 'csv', 'ace_upload'],
  ['text/xml', 'xml', 'ace_upload'],
  ['application/xml', 'xml', 'ace_upload'],
  ['text/css', 'css', 'ace_upload'],
  ['application/rtf', 'rtf', 'ace_upload'],
  ['application/epub+zip', 'epub', 'ace_upload'],
  ['application/vnd.ms-excel', 'xls', 'ace_upload'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx', 'ace_upload'],
  ['application/vnd.ms-powerpoint', 'ppt', 'ace_upload'],
  ['application/x-sqlite3', 'sqlite', 'ace_upload'],
  ['application/zip', 'zip', 'ace_upload'],
  ['application/gzip', 'gz', 'ace_upload'],
  ['application/x-tar', 'tar', 'ace_upload'],
  ['application/x-7z-compressed', '7z', 'ace_upload'],
  ['audio/mpeg', 'mp3', 'ace_upload'],
  ['audio/wav', 'wav', 'ace_upload'],
  ['audio/ogg', 'ogg', 'ace_upload'],
  ['audio/mp4', 'm4a', 'ace_upload'],
  ['video/mp4', 'mp4', 'ace_upload'],
  ['video/webm', 'webm', 'ace_upload'],
  ['video/quicktime', 'mov', 'ace_upload'],
];

/** Spellings that mean a type of the table. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'image/jpeg'],
  ['image/pjpeg', 'image/jpeg'],
  ['image/x-png', 'image/png'],
  ['application/javascript', 'text/javascript'],
  ['text/x-python', 'text/x-script.python'],
  ['text/x-markdown', 'text/markdown'],
  ['application/x-pdf', 'application/pdf'],
  ['application/x-zip-compressed', 'application/zip'],
]);

const byMimeType: ReadonlyMap<string, Row> = new Map(FILE_TYPES.map((row) => [row[0], row]));
const byExtension: ReadonlyMap<string, Row> = new Map(FILE_TYPES.toReversed().map((row) => [row[1], row]));

/** `mimeType` in lower case without parameters. */
export function canonicalMimeType(mimeType: string): string {
  return ALIASES.get(mimeType) ?? mimeType;
}

export function useCaseOf(mimeType: string): UseCase {
  return byMimeType.get(mimeType)?.[2] ?? 'ace_upload';
}

/** With its dot; empty when unknown. */
export function extensionOf(mimeType: string): string {
  const extension = byMimeType.get(mimeType)?.[1];
  return extension === undefined ? '' : `.${extension}`;
}

/** By the end of a file's name or of a URL's path; null: it tells nothing. */
export function mimeTypeOfName(name: string): string | null {
  const extension = /\.([a-z\d]{1,8})$/i.exec(name)?.[1]?.toLowerCase();
  if (extension === undefined) return null;
  return byExtension.get(extension === 'jpeg' ? 'jpg' : extension)?.[0] ?? null;
}
