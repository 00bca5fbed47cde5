import type { Base } from '../callers.ts';
import { sendJson, type Handler } from '../exchange.ts';
import { admit, passEdge, playError, refuse } from '../gate.ts';
import type { World } from '../world.ts';
import { URL_LIFETIME_S } from './socket-hub.ts';

/** `POST {base}/register-websocket`: where the caller's answers can be heard. Its body says nothing. */
export function createRegisterHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'register');
    if (scenario === null) return;
    const { owner } = admit(world, exchange, base, false);
    if (world.strict && !['', '{}'].includes(exchange.body.text.trim())) refuse(world, 'invalid_body');
    playError(world, scenario, 'register');
    sendJson(exchange.response, 200, {
      wss_url: world.sockets.register(exchange.request.headers.host ?? '', owner),
      expires_at: new Date(world.now() + URL_LIFETIME_S * 1000).toISOString(),
    });
  };
}
