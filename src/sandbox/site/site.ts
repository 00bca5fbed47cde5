import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Exchange, Handler } from '../exchange.ts';
import { send, sendJson } from '../exchange.ts';
import { passEdge, playError } from '../gate.ts';
import { drawPicture } from '../picture.ts';
import type { World } from '../world.ts';
import { COLOURS, MARKUP, POLICY, STYLE } from './markup.ts';

/** Always the same: what is drawn by lot is drawn for the protocol. */
const DEVICE = '5a4db0a5-0000-4000-8000-000000000001';
const LOGO_PIXELS = 96;
const SCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The page's modules, compiled beside this one, under the names by which they load each other. */
const MODULES = ['browser', 'chat', 'proof', 'sha3'];

/** The site's page and what it loads. The main module stands where the page has its build id. */
export function createSiteRoutes(world: World): readonly [string, Handler][] {
  const logo = drawPicture('logo', LOGO_PIXELS, LOGO_PIXELS);
  return [
    ['GET /', createLandingHandler(world)],
    ['GET /_next/static/abc/_ssgManifest.js', file(SCRIPT, 'self.__SSG_MANIFEST=new Set();')],
    ['GET /assets/c/0123abcd/_index.js', file(SCRIPT, moduleText('app'))],
    ...MODULES.map((name): [string, Handler] => [
      `GET /assets/c/0123abcd/${name}.js`,
      file(SCRIPT, moduleText(name)),
    ]),
    ['GET /assets/site.css', file(CSS, STYLE)],
    ['GET /assets/colours.css', file(CSS, COLOURS)],
    ['GET /site/logo.png', file('image/png', logo)],
    ['GET /site/visitor', redirect],
    ['GET /site/cookies', showCookies],
  ];
}

/** `GET /`, with or without `?oai-dm=1`. */
function createLandingHandler(world: World): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'landing');
    if (scenario === null) return;
    playError(world, scenario, 'landing');
    const { response } = exchange;
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('set-cookie', [
      `oai-did=${DEVICE}; Domain=.chatgpt.com; Path=/; Secure; SameSite=None`,
      '__Host-next-auth.csrf-token=sandbox; Path=/; Secure; HttpOnly; SameSite=Lax',
    ]);
    send(response, { status: 200, contentType: 'text/html; charset=utf-8', body: MARKUP });
  };
}

function redirect({ response }: Exchange): void {
  response.writeHead(302, { location: 'https://chatgpt.com/site/cookies' }).end();
}

/** Their names only. */
function showCookies({ request, response }: Exchange): void {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const cookies = pairs.map((pair) => pair.split('=', 1)[0] ?? '').filter((name) => name !== '');
  sendJson(response, 200, { cookies });
}

/** Compressed for those who can read that. */
function file(contentType: string, content: string | Buffer): Handler {
  const plain = Buffer.from(content);
  const packed = contentType.startsWith('text/') ? gzipSync(plain) : null;
  return ({ request, response }) => {
    const isPacked = packed !== null && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const body = isPacked ? packed : plain;
    response.writeHead(200, {
      'content-type': contentType,
      'content-length': body.length,
      'cache-control': IMMUTABLE,
      ...(isPacked && { 'content-encoding': 'gzip', vary: 'accept-encoding' }),
    });
    response.end(body);
  };
}

function moduleText(name: string): string {
  return readFileSync(new URL(`./page/${name}.js`, import.meta.url), 'utf8');
}
