import type { Base } from '../callers.ts';
import { sendJson, type Exchange, type Handler } from '../exchange.ts';
import { admit, passEdge, playError, refuse } from '../gate.ts';
import { identifyCaller, ownerOf } from '../callers.ts';
import { isUuid } from '../json-shape.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';
import { sendFile, toBlobUrl } from './blob-store.ts';
import type { StoredFile } from './file-store.ts';
import { findOwn, toTimeText } from './upload.ts';

type Find = (world: World, exchange: Exchange, owner: string) => StoredFile;

/** `GET {base}/files/{id}/download` and its newer alias: for `file-service://` pointers. */
export function createFileLinkHandler(world: World, base: Base): Handler {
  return createLinkHandler(world, base, (...asked) => checkReady(world, findOwn(...asked)));
}

/** `GET {base}/conversation/{c}/attachment/{id}/download`: for `sediment://` pointers. */
export function createAttachmentLinkHandler(world: World, base: Base): Handler {
  return createLinkHandler(world, base, (_, exchange, owner) => {
    checkConversation(world, exchange, owner);
    return checkReady(world, findOwn(world, exchange, owner));
  });
}

/** `GET {base}/conversation/{c}/interpreter/download?message_id=..&sandbox_path=..`. */
export function createInterpreterLinkHandler(world: World, base: Base): Handler {
  return createLinkHandler(world, base, (_, exchange, owner) => {
    const messageIds = checkConversation(world, exchange, owner);
    const { params, query } = exchange;
    const file = world.files.findInSandbox(params['conversation'] ?? '', query.get('sandbox_path') ?? '');
    if (file === undefined || !messageIds.has(query.get('message_id') ?? '')) refuse(world, 'file_not_found');
    return file;
  });
}

/** `GET {base}/estuary/content?id=..&sig=..`: the bytes, for the session that asked for the link only. */
export function createEstuaryHandler(world: World, base: Base): Handler {
  return (exchange) => {
    const { request, authorization, query } = exchange;
    const caller = identifyCaller(base, authorization, world.now());
    const file = world.files.find(query.get('id') ?? '');
    const known = caller.ok && isUuid(request.headers['oai-device-id']);
    if (!known || file === undefined || file.owner !== ownerOf(base, request.headers))
      refuse(world, 'file_denied');
    sendFile(exchange, file);
  };
}

function createLinkHandler(world: World, base: Base, find: Find): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'download');
    if (scenario === null) return;
    const file = find(world, exchange, admit(world, exchange, base, false).owner);
    playError(world, scenario, 'download');
    sendLink(world, exchange, scenario, base, file);
  };
}

function sendLink(world: World, exchange: Exchange, { links }: Scenario, base: Base, file: StoredFile): void {
  if (links === 'missing') refuse(world, 'file_not_found');
  if (links === 'pod_expired') {
    const error_message = 'Sandbox session expired';
    return sendJson(exchange.response, 200, {
      status: 'error',
      error_code: 'ace_pod_expired',
      error_message,
    });
  }
  const host = `http://${exchange.request.headers.host}`;
  const session = `${host}${base}/estuary/content?id=${file.id}&sig=${file.id.slice(5)}`;
  sendJson(exchange.response, 200, {
    status: 'success',
    download_url: links === 'session' ? session : toBlobUrl(exchange, file.id, 'r'),
    metadata: {},
    file_name: file.name,
    mime_type: file.mimeType,
    creation_time: toTimeText(file.createdAtMs),
  });
}

/** The ids of its messages. */
function checkConversation(world: World, { params }: Exchange, owner: string): ReadonlySet<string> {
  const conversation = world.conversations.find(params['conversation'] ?? '');
  if (conversation === undefined || conversation.owner !== owner)
    return refuse(world, 'conversation_not_found');
  return conversation.messageIds;
}

function checkReady(world: World, file: StoredFile): StoredFile {
  return file.uploaded ? file : refuse(world, 'file_not_found');
}
