import { createHash } from 'node:crypto';
import { send, sendJson, type Handler } from './exchange.ts';
import { isObject } from './json-shape.ts';
import type { World } from './world.ts';

/** The text that answers an Arkose challenge here. */
export function arkoseTokenFor(blob: string): string {
  return `sim-arkose-${createHash('sha256').update(blob).digest('hex').slice(0, 32)}`;
}

/** `POST /arkose/token`: the twin of the external service that turns a blob into a token. */
export function createArkoseHandler(world: World): Handler {
  return ({ body, response, authorization }) => {
    const { arkoseReply } = world.scenarios.peek(authorization);
    const blob = isObject(body.json) ? body.json['blob'] : undefined;
    if (typeof blob !== 'string') return sendJson(response, 400, { error: 'blob must be a text' });
    switch (arkoseReply) {
      case 'token':
        return sendJson(response, 200, { token: arkoseTokenFor(blob) });
      case 'empty':
        return sendJson(response, 200, { token: '' });
      case 'unsolved':
        return sendJson(response, 200, { token: arkoseTokenFor(blob), solved: false });
      case 'garbage':
        return send(response, { status: 200, contentType: 'text/html', body: '<html>no token here' });
      case 'status_500':
        return sendJson(response, 500, { error: 'out of order' });
    }
  };
}
