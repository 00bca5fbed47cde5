import { readFileSync } from 'node:fs';
import type { Route } from '../http/router.ts';
import { ICON } from './page/icon.ts';
import { MARKUP } from './page/markup.ts';
import { STYLE } from './page/style.ts';
import { PRIVATE_HEADERS } from './private-answer.ts';

/** The page's own modules, compiled beside this one; a browser loads them as they are. */
const SCRIPTS = [
  'accounts',
  'add-accounts',
  'account-row',
  'api',
  'app',
  'browser',
  'element',
  'key-row',
  'keys',
  'live',
  'log-in',
  'messages',
  'nodes',
  'overview',
  'state',
  'success-rate',
  'texts',
  'times',
] as const;

/**
 * `GET /tokens` and what it loads. They hold nothing secret and need no key. All links are relative, so the page
 * works under any prefix.
 */
export function pageRoutes(): readonly Route[] {
  return [
    page('/tokens', 'text/html; charset=utf-8', MARKUP),
    page('/tokens/app.css', 'text/css; charset=utf-8', STYLE),
    page('/tokens/icon.svg', 'image/svg+xml', ICON),
    ...SCRIPTS.map((name) => page(`/tokens/${name}.js`, 'text/javascript; charset=utf-8', scriptOf(name))),
  ];
}

function scriptOf(name: string): string {
  return readFileSync(new URL(`./page/${name}.js`, import.meta.url), 'utf8');
}

function page(path: string, type: string, text: string): Route {
  return {
    method: 'GET',
    path,
    handler: (_request, reply) => reply.send(200, text, [...PRIVATE_HEADERS, ['content-type', type]]),
  };
}
