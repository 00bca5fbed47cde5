import type { Handler } from './exchange.ts';
import { send } from './exchange.ts';
import { passEdge, playError } from './gate.ts';
import type { World } from './world.ts';

/** Carries the build id in every place where a page of some year had it. */
const PAGE = `<!DOCTYPE html><html data-build="prod-0123456789abcdef"><head>
<script src="https://cdn.oaistatic.com/_next/static/abc/_ssgManifest.js?dpl=0123456789abcdef"></script>
<script src="https://cdn.oaistatic.com/assets/c/0123abcd/_index.js"></script></head><body></body></html>
`;

/** `GET /`, with or without `?oai-dm=1`. */
export function createLandingHandler(world: World): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'landing');
    if (scenario === null) return;
    playError(world, scenario, 'landing');
    send(exchange.response, { status: 200, contentType: 'text/html; charset=utf-8', body: PAGE });
  };
}
