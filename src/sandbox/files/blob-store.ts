import { createHash } from 'node:crypto';
import type { Exchange, Handler } from '../exchange.ts';
import { passEdge, playError } from '../gate.ts';
import { RefusedError } from '../refusals.ts';
import type { World } from '../world.ts';
import type { StoredFile } from './file-store.ts';

/** `w`: to write a file; `r`: to read it. */
type Right = 'w' | 'r';

/** A link that opens one file to whoever holds it, as the storage service makes them. */
export function toBlobUrl(exchange: Exchange, id: string, right: Right): string {
  return `http://${exchange.request.headers.host}/blob/${id}?se=2099-01-01&sp=${right}&sig=${sign(id, right)}`;
}

/** `PUT /blob/{id}`: the storage service, which knows signatures and no accounts. */
export function createBlobWriter(world: World): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'blob');
    if (scenario === null) return;
    const file = findSigned(world, exchange, 'w');
    if (world.strict) checkHeaders(exchange);
    playError(world, scenario, 'blob');
    file.bytes = exchange.body.bytes;
    file.mimeType = exchange.request.headers['content-type']?.split(';')[0]?.trim() ?? null;
    exchange.response.writeHead(201, { 'content-length': 0, etag: '"0x8DC0"' }).end();
  };
}

/** `GET /blob/{id}`: the bytes, for anybody with the link. */
export function createBlobReader(world: World): Handler {
  return (exchange) => sendFile(exchange, findSigned(world, exchange, 'r'));
}

export function sendFile({ response }: Exchange, { bytes, mimeType, name }: StoredFile): void {
  const body = bytes ?? Buffer.alloc(0);
  response.writeHead(200, {
    'content-type': mimeType ?? 'application/octet-stream',
    'content-length': body.length,
    'content-disposition': `inline; filename*=UTF-8''${encodeURIComponent(name)}`,
  });
  response.end(body);
}

function findSigned(world: World, { params, query }: Exchange, right: Right): StoredFile {
  const id = params['id'] ?? '';
  if (query.get('sp') !== right || query.get('sig') !== sign(id, right)) {
    refuseBlob(403, 'AuthenticationFailed', 'Signature did not match.');
  }
  const file = world.files.find(id);
  if (file === undefined) return refuseBlob(404, 'BlobNotFound', 'The specified blob does not exist.');
  return file;
}

function checkHeaders({ request: { headers } }: Exchange): void {
  if (headers.authorization !== undefined) {
    refuseBlob(
      403,
      'AuthenticationFailed',
      'Only one way to authenticate may be used: remove Authorization.',
    );
  }
  if (headers['x-ms-blob-type'] !== 'BlockBlob') {
    refuseBlob(400, 'InvalidHeaderValue', 'x-ms-blob-type must be BlockBlob.');
  }
  if (!/^\d{4}-\d\d-\d\d$/.test(String(headers['x-ms-version'] ?? ''))) {
    refuseBlob(400, 'InvalidHeaderValue', 'x-ms-version must be a date.');
  }
  if (!headers['content-type']?.includes('/')) {
    refuseBlob(400, 'MissingRequiredHeader', 'content-type is missing.');
  }
}

function sign(id: string, right: Right): string {
  return createHash('sha256').update(`${right} ${id}`).digest('hex').slice(0, 32);
}

function refuseBlob(status: number, code: string, message: string): never {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  throw new RefusedError({ status, contentType: 'application/xml', body });
}
