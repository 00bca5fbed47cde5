import type { UseCase } from './file-store.ts';

const IMAGES = ['image/jpeg', 'image/png', 'image/webp', 'image/gif'];

/** What retrieval can read. `application/x-latext` is how the site spells it. */
const DOCUMENTS = [
  'text/x-php',
  'application/msword',
  'text/x-c',
  'text/html',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/json',
  'text/javascript',
  'application/pdf',
  'text/x-java',
  'text/x-tex',
  'text/x-typescript',
  'text/x-sh',
  'text/x-csharp',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  'text/x-c++',
  'application/x-latext',
  'text/markdown',
  'text/plain',
  'text/x-ruby',
  'text/x-script.python',
];

/** What a file of this type is uploaded for. */
export function useCaseFor(mimeType: string): UseCase {
  const essence = mimeType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (IMAGES.includes(essence)) return 'multimodal';
  return DOCUMENTS.includes(essence) ? 'my_files' : 'ace_upload';
}
