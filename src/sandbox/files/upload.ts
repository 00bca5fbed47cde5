import type { Base } from '../callers.ts';
import { sendJson, type Exchange, type Handler } from '../exchange.ts';
import { checkFields, literal, text, typed, type FieldProblem } from '../field-checks.ts';
import { admit, passEdge, playError, refuse } from '../gate.ts';
import { isObject, type JsonObject } from '../json-shape.ts';
import { detail, RefusedError } from '../refusals.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';
import { toBlobUrl } from './blob-store.ts';
import { USE_CASES, type StoredFile, type UseCase } from './file-store.ts';
import { useCaseFor } from './use-case.ts';

const TOKENS_PER_BYTE = 1 / 4;

const positive = typed(
  'greater_than',
  'Input should be greater than 0',
  (value) => Number.isInteger(value) && Number(value) > 0,
);

/** `POST {base}/files`: a place to put a file. */
export function createFileHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'files');
    if (scenario === null) return;
    const { owner } = admit(world, exchange, base, false);
    const body = readBody(exchange);
    playError(world, scenario, 'files');
    const file = toFile(world, scenario, owner, body);
    world.files.add(file);
    sendJson(exchange.response, 200, {
      status: 'success',
      upload_url: toBlobUrl(exchange, file.id, 'w'),
      file_id: file.id,
    });
  };
}

/** `POST {base}/files/{id}/uploaded`: its owner says that the file is there. */
export function createUploadedHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'uploaded');
    if (scenario === null) return;
    const file = findOwn(world, exchange, admit(world, exchange, base, false).owner);
    const problem = findUploadProblem(file);
    if (problem !== null) exchange.record.warnings.push(problem);
    if (problem !== null && world.strict)
      refuseWith(422, [{ type: 'value_error', loc: ['path', 'file_id'], msg: problem }]);
    playError(world, scenario, 'uploaded');
    file.uploaded = true;
    sendJson(exchange.response, 200, {
      status: 'success',
      download_url: toBlobUrl(exchange, file.id, 'r'),
      metadata: {},
      file_name: file.name,
      creation_time: toTimeText(file.createdAtMs),
    });
  };
}

/** `GET {base}/files/{id}`: how far the file is. Only what retrieval reads is ever indexed. */
export function createFileStateHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'file');
    if (scenario === null) return;
    const file = findOwn(world, exchange, admit(world, exchange, base, false).owner);
    playError(world, scenario, 'file');
    const status = toIndexStatus(file, scenario);
    file.polls += 1;
    const tokens = Math.ceil((file.bytes?.length ?? 0) * TOKENS_PER_BYTE);
    sendJson(exchange.response, 200, {
      id: file.id,
      name: file.name,
      creation_time: toTimeText(file.createdAtMs),
      state: file.uploaded ? 'ready' : 'created',
      ready_time: file.uploaded ? toTimeText(file.createdAtMs) : null,
      size: file.declaredBytes,
      metadata: status === null ? {} : { retrieval: { status, file_size_tokens: tokens } },
      use_case: file.useCase,
      retrieval_index_status: status,
      file_size_tokens: status === 'success' ? tokens : null,
      variants: null,
    });
  };
}

/** The file that the path names, if it is the caller's; refuses with 404. */
export function findOwn(world: World, { params }: Exchange, owner: string): StoredFile {
  const file = world.files.find(params['id'] ?? '');
  if (file === undefined || file.owner !== owner) return refuse(world, 'file_not_found');
  return file;
}

function readBody({ body: { json } }: Exchange): JsonObject {
  if (!isObject(json)) return refuseWith(422, [{ type: 'missing', loc: ['body'], msg: 'Field required' }]);
  const required = { file_name: text, file_size: positive, use_case: literal(USE_CASES) };
  const problems = checkFields(json, required, ['body'], true);
  return problems.length > 0 ? refuseWith(422, problems) : json;
}

function toFile(world: World, scenario: Scenario, owner: string, body: JsonObject): StoredFile {
  return {
    id: `${scenario.fileIds === 'sediment' ? 'file_' : 'file-'}${world.random.hex(24)}`,
    owner,
    name: body['file_name'] as string,
    useCase: body['use_case'] as UseCase,
    declaredBytes: body['file_size'] as number,
    conversationId: null,
    sandboxPath: null,
    createdAtMs: world.now(),
    mimeType: null,
    bytes: null,
    uploaded: false,
    polls: 0,
  };
}

function findUploadProblem({ bytes, mimeType, declaredBytes, useCase }: StoredFile): string | null {
  if (bytes === null || mimeType === null) return 'no bytes were put';
  if (bytes.length !== declaredBytes) return `${declaredBytes} bytes were announced and ${bytes.length} put`;
  const wanted = useCaseFor(mimeType);
  return wanted === useCase ? null : `${mimeType} is for ${wanted}, not for ${useCase}`;
}

function toIndexStatus({ uploaded, useCase, polls }: StoredFile, { indexPolls }: Scenario): string | null {
  if (useCase !== 'my_files') return null;
  return uploaded && polls >= indexPolls ? 'success' : 'processing';
}

/** As Python prints it: `2024-07-01 10:00:00+00:00`. */
export function toTimeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}+00:00`;
}

function refuseWith(status: number, problems: readonly FieldProblem[]): never {
  throw new RefusedError(detail(status, problems));
}
