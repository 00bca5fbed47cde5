import { ChatError } from '../errors.ts';
import { findModel, listModels } from '../openai/models.ts';
import { authenticate } from './auth.ts';
import type { Route } from './router.ts';

/** `GET /v1/models` and `GET /v1/models/{id}`, for whoever may chat. */
export function modelsRoutes(keys: readonly string[]): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/models',
      handler: (request, reply) => {
        authenticate(request.header('authorization'), undefined, keys);
        reply.json(200, listModels());
      },
    },
    {
      method: 'GET',
      path: '/v1/models/{id}',
      handler: (request, reply) => {
        authenticate(request.header('authorization'), undefined, keys);
        const id = request.parameter ?? '';
        const model = findModel(id);
        if (model === null) throw unknownModel(id);
        reply.json(200, model);
      },
    },
  ];
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
