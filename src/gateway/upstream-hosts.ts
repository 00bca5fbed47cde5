/** Every host that the web UI's pages name: to a browser behind the gateway they are all one. */
const SITE_HOSTS = [
  'chatgpt.com',
  'chat.openai.com',
  'ab.chatgpt.com',
  'cdn.oaistatic.com',
  'files.oaiusercontent.com',
  'webrtc.chatgpt.com',
  'web-sandbox.oaiusercontent.com',
];

/** The site itself keeps these elsewhere; a relay in front of it has to know on its own. */
const SITE_PATHS: readonly (readonly [pattern: RegExp, origin: string])[] = [
  [/^\/(?:assets|_next\/static)\//, 'https://cdn.oaistatic.com'],
  [/^\/file-[^/]*$/, 'https://files.oaiusercontent.com'],
  [/^\/sandbox(?:\/|$)/, 'https://web-sandbox.oaiusercontent.com'],
];

/** Hosts whose URLs become ours, with ports where they are not the scheme's own. */
export function upstreamHosts(gateways: readonly string[]): readonly string[] {
  return [...new Set([...SITE_HOSTS, ...gateways.map((origin) => new URL(origin).host)])];
}

/** Where a path of the gateway `origin` is to be had. */
export function originFor(path: string, origin: string): string {
  if (!/^https:\/\/(?:chatgpt\.com|chat\.openai\.com)$/.test(origin)) return origin;
  return SITE_PATHS.find(([pattern]) => pattern.test(path))?.[1] ?? origin;
}
