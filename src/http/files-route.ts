import { FILES_PATH } from '../chat/file-ports.ts';
import type { Files } from '../chat/file-ports.ts';
import { ChatError } from '../errors.ts';
import { FileOutput } from './file-output.ts';
import type { RequestSnapshot } from './request.ts';
import type { Route } from './router.ts';

export interface FilesRouteOptions {
  readonly files: Pick<Files, 'open'>;
  readonly slowClientTimeoutMs: number;
}

/** Of the forms that the header allows, the one that all servers know. */
const BYTE_RANGE = /^bytes=[\d\s,-]{1,100}$/;

/** `GET /files/{token}`: whoever has the link may have the file, as with the backend's own links. */
export function filesRoute({ files, slowClientTimeoutMs }: FilesRouteOptions): Route {
  return {
    method: 'GET',
    path: `${FILES_PATH}{token}`,
    handler: (request, reply) => {
      const output = new FileOutput(reply, { headOnly: request.method === 'HEAD', slowClientTimeoutMs });
      const control = files.open(request.parameter ?? '', partOf(request), output);
      if (control === null) throw unknownFile();
      output.attach(control);
    },
  };
}

function partOf(request: RequestSnapshot): { range: string | null; ifRange: string | null } {
  const range = request.header('range') ?? '';
  if (!BYTE_RANGE.test(range)) return { range: null, ifRange: null };
  return { range, ifRange: request.header('if-range') ?? null };
}

function unknownFile(): ChatError {
  return new ChatError(
    'unknown_url',
    'This link to a file is unknown or has expired. Ask for the file again.',
  );
}
