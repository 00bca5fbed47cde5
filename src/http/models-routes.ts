import { createHash } from 'node:crypto';
import type { OwnModels } from '../chat/ports.ts';
import type { Caller } from '../conversation/turn.ts';
import { ChatError } from '../errors.ts';
import { findModel, isFixedName, listModels, listModelsForCodex } from '../openai/models.ts';
import { authenticate } from './auth.ts';
import type { Keys } from './auth.ts';
import type { RequestSnapshot } from './request.ts';
import type { Route } from './router.ts';

export interface ModelsRoutesOptions {
  /** The operator's keys, as for the chats. */
  readonly keys: Keys;
  readonly models: OwnModels;
}

/** `GET /v1/models` and `GET /v1/models/{id}`, for whoever may chat: what everybody has and what is their own. */
export function modelsRoutes({ keys, models }: ModelsRoutesOptions): readonly Route[] {
  const callerOf = (request: RequestSnapshot): Caller =>
    authenticate(request.header('authorization'), request.header('chatgpt-account-id'), keys);
  return [
    {
      method: 'GET',
      path: '/v1/models',
      handler: async (request, reply) => {
        const own = (await models(callerOf(request), reply.signal)) ?? [];
        if (!isCodex(request)) return reply.json(200, listModels(own));
        const page = listModelsForCodex(own);
        reply.json(200, page, [['etag', toEtag(page)]]);
      },
    },
    {
      method: 'GET',
      path: '/v1/models/{id}',
      handler: async (request, reply) => {
        const caller = callerOf(request);
        const id = request.parameter ?? '';
        const own = isFixedName(id) ? null : await models(caller, reply.signal);
        const model = findModel(id, own ?? []);
        if (model === null) throw unknownModel(id);
        reply.json(200, model);
      },
    },
  ];
}

/** Codex says which version it is, and keeps what it got by its tag. */
function isCodex(request: RequestSnapshot): boolean {
  return new URLSearchParams(request.query).has('client_version');
}

function toEtag(page: object): string {
  return `"${createHash('sha256').update(JSON.stringify(page)).digest('base64url').slice(0, 22)}"`;
}

function unknownModel(id: string): ChatError {
  const shown = id.slice(0, 64);
  return new ChatError(
    'model_not_found',
    `The model '${shown}' does not exist. GET /v1/models lists those that do.`,
    {
      param: 'model',
    },
  );
}
