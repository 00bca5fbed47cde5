import { createArkoseHandler } from './arkose.ts';
import { BASES } from './callers.ts';
import { createConversationHandler } from './conversation.ts';
import type { Handler } from './exchange.ts';
import { createLandingHandler } from './landing-page.ts';
import { createModelsHandler } from './models.ts';
import { createRequirementsHandler } from './requirements.ts';
import type { World } from './world.ts';

/** The backend's endpoints, by method and path. */
export function createBackendRoutes(world: World): ReadonlyMap<string, Handler> {
  const shared: [string, Handler][] = [
    ['GET /', createLandingHandler(world)],
    ['POST /arkose/token', createArkoseHandler(world)],
  ];
  const perBase = BASES.flatMap((base): [string, Handler][] => [
    [`POST ${base}/sentinel/chat-requirements`, createRequirementsHandler(world, base)],
    [`POST ${base}/conversation`, createConversationHandler(world, base)],
    [`GET ${base}/models`, createModelsHandler(world, base)],
  ]);
  return new Map([...shared, ...perBase]);
}
