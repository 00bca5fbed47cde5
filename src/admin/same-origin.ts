import type { RequestSnapshot } from '../http/request.ts';

/**
 * Does the request come from a page of this server? `unknown`: it does not say, as programs that are no
 * browsers do. Browsers leave `sec-fetch-site` out over plain http; `origin` is there with every POST.
 */
export function originOf(request: RequestSnapshot): 'same' | 'other' | 'unknown' {
  const site = request.header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' ? 'same' : 'other';
  const origin = request.header('origin');
  if (origin === undefined) return 'unknown';
  const host = hostOf(origin);
  const ours = [request.header('host'), request.header('x-forwarded-host')];
  return host !== null && ours.includes(host) ? 'same' : 'other';
}

/** Does the browser speak https with us, be it to a server before us? */
export function cameOverHttps(request: RequestSnapshot): boolean {
  const forwarded = request.header('x-forwarded-proto')?.split(',', 1)[0]?.trim().toLowerCase();
  return forwarded === 'https' || (request.header('origin')?.startsWith('https://') ?? false);
}

/** With the port, unless it is the scheme's own: as browsers write `host`. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
