import { createAccountsCheckHandler, createMeHandler } from './accounts/account-endpoints.ts';
import { createOauthHandler } from './accounts/oauth.ts';
import { createArkoseHandler } from './arkose.ts';
import { BASES } from './callers.ts';
import { createConversationHandler } from './conversation.ts';
import type { Handler } from './exchange.ts';
import { createBlobReader, createBlobWriter } from './files/blob-store.ts';
import {
  createAttachmentLinkHandler,
  createEstuaryHandler,
  createFileLinkHandler,
  createInterpreterLinkHandler,
} from './files/download.ts';
import { createFileHandler, createFileStateHandler, createUploadedHandler } from './files/upload.ts';
import { createModelsHandler } from './models.ts';
import { createRequirementsHandler } from './requirements.ts';
import { createReadingHandler } from './reading.ts';
import { createSiteRoutes } from './site/site.ts';
import { createRegisterHandler } from './sockets/register.ts';
import type { World } from './world.ts';

/** The backend's endpoints, by method and path. */
export function createBackendRoutes(world: World): Iterable<readonly [string, Handler]> {
  const shared: [string, Handler][] = [
    ...createSiteRoutes(world),
    ['POST /arkose/token', createArkoseHandler(world)],
    ['POST /oauth/token', createOauthHandler(world)],
    ['GET /backend-api/accounts/check/v4-2023-04-27', createAccountsCheckHandler(world)],
    ['GET /backend-api/me', createMeHandler(world)],
    ['PUT /blob/:id', createBlobWriter(world)],
    ['GET /blob/:id', createBlobReader(world)],
  ];
  const perBase = BASES.flatMap((base): [string, Handler][] => [
    [`POST ${base}/sentinel/chat-requirements`, createRequirementsHandler(world, base)],
    [`POST ${base}/conversation`, createConversationHandler(world, base)],
    [`GET ${base}/conversation/:id`, createReadingHandler(world, base)],
    [`GET ${base}/models`, createModelsHandler(world, base)],
    [`POST ${base}/register-websocket`, createRegisterHandler(world, base)],
    [`POST ${base}/files`, createFileHandler(world, base)],
    [`POST ${base}/files/:id/uploaded`, createUploadedHandler(world, base)],
    [`GET ${base}/files/:id`, createFileStateHandler(world, base)],
    [`GET ${base}/files/:id/download`, createFileLinkHandler(world, base)],
    [`GET ${base}/files/download/:id`, createFileLinkHandler(world, base)],
    [
      `GET ${base}/conversation/:conversation/attachment/:id/download`,
      createAttachmentLinkHandler(world, base),
    ],
    [
      `GET ${base}/conversation/:conversation/interpreter/download`,
      createInterpreterLinkHandler(world, base),
    ],
    [`GET ${base}/estuary/content`, createEstuaryHandler(world, base)],
  ]);
  return [...shared, ...perBase];
}
